// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/result.hpp"

#include <algorithm>

#ifndef PERF_VERSION
#define PERF_VERSION "unknown"
#endif

namespace perf::load {
namespace {

Json CountsJson(const RequestCounts& counts) {
  Json object = Json::MakeObject();
  object["total"] = counts.total;
  object["failed"] = counts.failed;
  object["dropped"] = counts.dropped;
  Json errors = Json::MakeObject();
  for (int kind = 1; kind < kErrorKinds; ++kind) {
    errors[Name(static_cast<ErrorKind>(kind))] = counts.errors[static_cast<std::size_t>(kind)];
  }
  object["errors"] = std::move(errors);
  return object;
}

void AddClocks(Json& object, const Section& section) {
  object["latency"] = stats::ToJson(section.latency);
  object["wait"] = stats::ToJson(section.wait);
  object["service_time"] = stats::ToJson(section.service_time);
  object["schedule_lag"] = stats::ToJson(section.schedule_lag);
  if (section.first_byte) object["first_byte"] = stats::ToJson(*section.first_byte);
}

Json SectionJson(const Section& section, bool with_iterations) {
  Json object = Json::MakeObject();
  object["requests"] = CountsJson(section.requests);
  if (with_iterations) {
    Json iterations = Json::MakeObject();
    iterations["total"] = section.iterations;
    iterations["failed"] = section.failed_iterations;
    object["iterations"] = std::move(iterations);
    if (section.duration) object["duration"] = stats::ToJson(*section.duration);
  }
  AddClocks(object, section);
  if (with_iterations) {
    Json steps = Json::MakeObject();
    for (const Section& step : section.steps) steps[step.name] = SectionJson(step, false);
    object["steps"] = std::move(steps);
  }
  return object;
}

Json ThresholdJson(const ThresholdResult& threshold) {
  Json object = Json::MakeObject();
  object["expr"] = threshold.expr;
  object["ok"] = threshold.ok;
  object["observed"] = threshold.observed ? Json(*threshold.observed) : Json();
  object["limit"] = threshold.limit;
  object["unit"] = threshold.unit;
  object["samples"] = threshold.samples;
  object["window"] = threshold.window_s ? Json(*threshold.window_s) : Json();
  object["implicit"] = threshold.implicit;
  object["aborted"] = threshold.aborted;
  return object;
}

Json SeriesJson(const SeriesPoint& point) {
  Json object = Json::MakeObject();
  object["t"] = point.t;
  object["target"] = point.target;
  object["achieved"] = point.achieved;
  object["requests"] = point.requests;
  object["failed"] = point.failed;
  object["dropped"] = point.dropped;
  object["p50_ms"] = point.p50_ms;
  object["p90_ms"] = point.p90_ms;
  object["p99_ms"] = point.p99_ms;
  object["max_ms"] = point.max_ms;
  object["service_p99_ms"] = point.service_p99_ms;
  object["active"] = point.active;
  object["waiting"] = point.waiting;
  return object;
}

Json PoolJson(const PoolResult& pool) {
  Json object = Json::MakeObject();
  object["kind"] = pool.kind;
  object["max"] = pool.max;
  object["most_in_use"] = pool.most_in_use;
  object["most_waiting"] = pool.most_waiting;
  object["acquired"] = pool.acquired;
  object["waited"] = pool.waited;
  object["dialled"] = pool.dialled;
  object["dial_failures"] = pool.dial_failures;
  object["discarded"] = pool.discarded;
  return object;
}

Json GeneratorJson(const Generator& generator) {
  Json object = Json::MakeObject();
  object["cpu_us_per_op"] = generator.cpu_us_per_op;
  object["cpu_percent"] = generator.cpu_percent;
  object["rss_max_bytes"] = generator.rss_max_bytes;
  object["stalled_ms"] = generator.stalled_ms;
  object["longest_stall_ms"] = generator.longest_stall_ms;
  object["threads"] = generator.threads;
  return object;
}

Json SampleJson(const SampleResult& sample) {
  Json object = Json::MakeObject();
  object["flow"] = sample.flow;
  object["load"] = sample.load;
  object["step"] = sample.step;
  object["kind"] = sample.kind;
  object["at_s"] = sample.at_s;
  object["text"] = sample.text;
  return object;
}

template <typename T, typename Fn>
Json List(const std::vector<T>& items, Fn to_json) {
  Json array = Json::MakeArray();
  for (const T& item : items) array.Append(to_json(item));
  return array;
}

template <typename T, typename Fn>
Json Named(const std::vector<T>& items, Fn to_json) {
  Json object = Json::MakeObject();
  for (const T& item : items) object[item.name] = to_json(item);
  return object;
}

}  // namespace

std::string_view Name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kPass: return "pass";
    case Verdict::kFail: return "fail";
    case Verdict::kInvalid: return "invalid";
    case Verdict::kInterrupted: return "interrupted";
  }
  return "invalid";
}

std::string_view Version() noexcept { return PERF_VERSION; }

void SeriesPoint::Merge(const SeriesPoint& later) {
  const double mine = merged;
  const double its = later.merged;
  const auto mean = [&](double a, double b) { return (a * mine + b * its) / (mine + its); };
  target = mean(target, later.target);
  achieved = mean(achieved, later.achieved);
  requests = mean(requests, later.requests);
  failed += later.failed;
  dropped += later.dropped;
  // Percentiles cannot be averaged: the worse of the two is what a point of lower resolution
  // shows.
  p50_ms = std::max(p50_ms, later.p50_ms);
  p90_ms = std::max(p90_ms, later.p90_ms);
  p99_ms = std::max(p99_ms, later.p99_ms);
  max_ms = std::max(max_ms, later.max_ms);
  service_p99_ms = std::max(service_p99_ms, later.service_p99_ms);
  active = std::max(active, later.active);
  waiting = std::max(waiting, later.waiting);
  merged += later.merged;
}

bool Result::ThresholdsOk() const noexcept {
  return std::all_of(thresholds.begin(), thresholds.end(),
                     [](const ThresholdResult& threshold) { return threshold.ok; });
}

Json Result::ToJson() const {
  Json root = Json::MakeObject();
  root["schema"] = "perfkit.result/1";
  root["tool"] = tool;
  root["version"] = Version();
  Json scenario = Json::MakeObject();
  scenario["name"] = scenario_name;
  scenario["hash"] = scenario_hash;
  scenario["source"] = scenario_source;
  scenario["seed"] = seed;
  root["scenario"] = std::move(scenario);
  root["started_at"] = started_at;
  root["duration_s"] = duration_s;
  root["environment"] = environment;
  root["verdict"] = Name(verdict);
  Json validity = Json::MakeObject();
  validity["ok"] = Valid();
  validity["reasons"] = List(invalid_reasons, [](const auto& reason) {
    Json object = Json::MakeObject();
    object["code"] = reason.first;
    object["text"] = reason.second;
    return object;
  });
  root["validity"] = std::move(validity);
  root["thresholds"] = List(thresholds, ThresholdJson);
  Json rate = Json::MakeObject();
  rate["target"] = target_rate;
  rate["achieved"] = achieved_rate;
  root["rate"] = std::move(rate);
  root["requests"] = CountsJson(total.requests);
  root["requests"]["warmup"] = warmup_requests;
  AddClocks(root, total);
  root["flows"] = Named(flows, [](const Section& s) { return SectionJson(s, true); });
  root["loads"] = Named(loads, [](const Section& s) { return SectionJson(s, true); });
  root["pools"] = Named(pools, PoolJson);
  root["caches"] = Json::MakeObject();
  root["audio"] = Json::MakeObject();
  root["failures"] = List(samples, SampleJson);
  root["generator"] = GeneratorJson(generator);
  root["series_step_s"] = series_step_s;
  root["series"] = List(series, SeriesJson);
  Json encoded = Json::MakeObject();
  for (const auto& [name, text] : histograms) encoded[name] = text;
  root["histograms"] = std::move(encoded);
  return root;
}

}  // namespace perf::load

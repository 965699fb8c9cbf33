// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/result.hpp"

#include <algorithm>
#include <initializer_list>

#ifndef PERF_VERSION
#define PERF_VERSION "unknown"
#endif

namespace perf::load {
namespace {

Json Members(std::initializer_list<Json::Member> members) { return Json(Json::Object(members)); }

Json CountsJson(const RequestCounts& counts) {
  Json object =
      Members({{"total", counts.total}, {"failed", counts.failed}, {"dropped", counts.dropped}});
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
    object["iterations"] =
        Members({{"total", section.iterations}, {"failed", section.failed_iterations}});
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
  return Members({{"expr", threshold.expr},
                  {"ok", threshold.ok},
                  {"observed", threshold.observed ? Json(*threshold.observed) : Json()},
                  {"limit", threshold.limit},
                  {"unit", threshold.unit},
                  {"samples", threshold.samples},
                  {"window", threshold.window_s ? Json(*threshold.window_s) : Json()},
                  {"implicit", threshold.implicit},
                  {"aborted", threshold.aborted}});
}

Json SeriesJson(const SeriesPoint& point) {
  return Members({{"t", point.t},
                  {"target", point.target},
                  {"achieved", point.achieved},
                  {"requests", point.requests},
                  {"failed", point.failed},
                  {"dropped", point.dropped},
                  {"p50_ms", point.p50_ms},
                  {"p90_ms", point.p90_ms},
                  {"p99_ms", point.p99_ms},
                  {"max_ms", point.max_ms},
                  {"service_p99_ms", point.service_p99_ms},
                  {"active", point.active},
                  {"waiting", point.waiting}});
}

Json PoolJson(const PoolResult& pool) {
  return Members({{"kind", pool.kind},
                  {"max", pool.max},
                  {"most_in_use", pool.most_in_use},
                  {"most_waiting", pool.most_waiting},
                  {"acquired", pool.acquired},
                  {"waited", pool.waited},
                  {"dialled", pool.dialled},
                  {"dial_failures", pool.dial_failures},
                  {"discarded", pool.discarded}});
}

Json GeneratorJson(const Generator& generator) {
  return Members({{"cpu_us_per_op", generator.cpu_us_per_op},
                  {"cpu_percent", generator.cpu_percent},
                  {"rss_max_bytes", generator.rss_max_bytes},
                  {"stalled_ms", generator.stalled_ms},
                  {"longest_stall_ms", generator.longest_stall_ms},
                  {"threads", generator.threads}});
}

Json SampleJson(const SampleResult& sample) {
  return Members({{"flow", sample.flow},
                  {"load", sample.load},
                  {"step", sample.step},
                  {"kind", sample.kind},
                  {"at_s", sample.at_s},
                  {"text", sample.text}});
}

Json FaultJson(const FaultResult& fault) {
  return Members({{"at_s", fault.at_s},
                  {"for_s", fault.for_s},
                  {"target", fault.target},
                  {"kind", fault.kind},
                  {"text", fault.text},
                  {"begun_s", fault.begun_s ? Json(*fault.begun_s) : Json()},
                  {"ended_s", fault.ended_s ? Json(*fault.ended_s) : Json()},
                  {"error", fault.error.empty() ? Json() : Json(fault.error)}});
}

Json ReasonJson(const std::pair<std::string, std::string>& reason) {
  return Members({{"code", reason.first}, {"text", reason.second}});
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
  root["scenario"] = Members({{"name", scenario_name},
                              {"hash", scenario_hash},
                              {"source", scenario_source},
                              {"seed", seed}});
  root["started_at"] = started_at;
  root["duration_s"] = duration_s;
  root["environment"] = environment;
  root["verdict"] = Name(verdict);
  Json validity = Json::MakeObject();
  validity["ok"] = Valid();
  validity["reasons"] = List(invalid_reasons, ReasonJson);
  root["validity"] = std::move(validity);
  root["thresholds"] = List(thresholds, ThresholdJson);
  root["rate"] = Members({{"target", target_rate}, {"achieved", achieved_rate}});
  root["requests"] = CountsJson(total.requests);
  root["requests"]["warmup"] = warmup_requests;
  AddClocks(root, total);
  root["flows"] = Named(flows, [](const Section& s) { return SectionJson(s, true); });
  root["loads"] = Named(loads, [](const Section& s) { return SectionJson(s, true); });
  root["pools"] = Named(pools, PoolJson);
  root["caches"] = Named(caches, [](const CacheResult& cache) { return cache.ToJson(); });
  root["audio"] = audio ? audio->ToJson() : Json::MakeObject();
  if (bench) {
    Json found = Json::MakeObject();
    found["verb"] = bench->verb;
    found["rows"] = Json(Json::Array(bench->rows));
    root["bench"] = std::move(found);
  }
  root["faults"] = List(faults, FaultJson);
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

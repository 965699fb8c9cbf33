// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/assemble.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libperf/stats/hdr_codec.hpp"

namespace perf::load {
namespace {

/// Request records merged, with what a Section is made of.
struct Sum {
  RequestRecord requests;
  stats::Histogram duration;
  std::uint64_t iterations = 0;
  std::uint64_t failed_iterations = 0;
  std::uint64_t dropped = 0;

  void Add(const LoadRecord& load) {
    for (const RequestRecord& request : load.requests) requests.Merge(request);
    duration.Merge(load.duration);
    iterations += load.iterations;
    failed_iterations += load.failed_iterations;
    dropped += load.dropped;
  }
};

Section FromRequests(std::string name, const RequestRecord& record) {
  Section section;
  section.name = std::move(name);
  section.requests.total = record.total;
  section.requests.failed = record.Failed();
  section.requests.errors = record.errors;
  section.requests.errors[0] = 0;
  section.latency = stats::Summarize(record.clocks.latency);
  section.wait = stats::Summarize(record.clocks.wait);
  section.service_time = stats::Summarize(record.clocks.service_time);
  section.schedule_lag = stats::Summarize(record.clocks.schedule_lag);
  if (record.first_byte.Count() > 0) section.first_byte = stats::Summarize(record.first_byte);
  return section;
}

Section FromSum(std::string name, const Sum& sum) {
  Section section = FromRequests(std::move(name), sum.requests);
  section.requests.dropped = sum.dropped;
  section.duration = stats::Summarize(sum.duration);
  section.iterations = sum.iterations;
  section.failed_iterations = sum.failed_iterations;
  return section;
}

void AddHistograms(Result& result, const std::string& prefix, const RequestRecord& record) {
  const auto add = [&](const char* name, const stats::Histogram& histogram) {
    if (histogram.Count() > 0)
      result.histograms.emplace_back(prefix + name, stats::Encode(histogram));
  };
  add("latency", record.clocks.latency);
  add("wait", record.clocks.wait);
  add("service_time", record.clocks.service_time);
  add("schedule_lag", record.clocks.schedule_lag);
  add("first_byte", record.first_byte);
}

/// The section of those loads that `covers` accepts, all of one flow, with its steps.
template <typename Covers>
Section FlowSection(const Scenario& scenario, const Interval& totals, const std::string& name,
                    std::size_t flow, Covers covers, Result* histograms) {
  Sum sum;
  const std::vector<const Step*> steps = Requests(scenario.flows[flow]);
  std::vector<RequestRecord> by_step(steps.size());
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    if (!covers(i)) continue;
    sum.Add(totals.loads[i]);
    for (std::size_t k = 0; k < steps.size(); ++k) by_step[k].Merge(totals.loads[i].requests[k]);
  }
  Section section = FromSum(name, sum);
  for (std::size_t k = 0; k < steps.size(); ++k) {
    section.steps.push_back(FromRequests(steps[k]->name, by_step[k]));
    if (histograms != nullptr)
      AddHistograms(*histograms, name + "." + steps[k]->name + ".", by_step[k]);
  }
  if (histograms != nullptr && sum.duration.Count() > 0) {
    histograms->histograms.emplace_back(name + ".duration", stats::Encode(sum.duration));
  }
  return section;
}

void AddSamples(const Scenario& scenario, const Interval& totals, Result& result) {
  for (const FailureSample& sample : totals.samples) {
    const LoadSpec& load = scenario.loads[sample.load];
    const FlowSpec& flow = scenario.flows[load.flow];
    SampleResult shown;
    shown.flow = flow.name;
    shown.load = load.name;
    shown.step = Requests(flow)[sample.request]->name;
    shown.kind = Name(sample.kind);
    shown.text = sample.text;
    shown.at_s = sample.at_s;
    result.samples.push_back(std::move(shown));
  }
}

/// Of one load.
double PlannedOf(const Scenario& scenario, std::size_t index, Duration from, Duration to) {
  const LoadSpec& load = scenario.loads[index];
  const auto start = scenario.PlannedStart(index);
  if (load.kind != LoadSpec::Kind::kRate || !start) return 0;
  const auto clamp = [&](Duration at) {
    return std::clamp(at - *start, std::min(load.warmup, load.arrivals.length),
                      load.arrivals.length);
  };
  const Arrivals arrivals(load.arrivals);
  return arrivals.PlannedUntil(clamp(to)) - arrivals.PlannedUntil(clamp(from));
}

/// How many arrivals of an open load came due. Even ones are counted by the plan, for what came due
/// while the generator stood still must not be left out. What Poisson drew is more or less than the
/// plan expects, and after a load of iterations nobody could plan.
double Due(const Scenario& scenario, std::size_t index, const LoadRecord& record,
           const MeasuredSpan& span) {
  const LoadSpec& load = scenario.loads[index];
  if (load.kind != LoadSpec::Kind::kRate) return 0;
  if (load.arrivals.spacing == Spacing::kPoisson || !scenario.PlannedStart(index)) {
    return static_cast<double>(record.intended);
  }
  return PlannedOf(scenario, index, span.from, span.to);
}

}  // namespace

MeasuredSpan SpanOf(const Scenario& scenario, Duration elapsed) {
  MeasuredSpan span{elapsed, Duration::zero()};
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    const Duration start = scenario.PlannedStart(i).value_or(Duration::zero());
    span.from = std::min(span.from, start + scenario.loads[i].warmup);
    span.to = std::max(span.to, scenario.PlannedEnd(i).value_or(elapsed));
  }
  span.to = std::min(span.to, elapsed);
  return span;
}

double PlannedArrivals(const Scenario& scenario, Duration from, Duration to) {
  double planned = 0;
  for (std::size_t i = 0; i < scenario.loads.size(); ++i)
    planned += PlannedOf(scenario, i, from, to);
  return planned;
}

void AssembleSections(const Scenario& scenario, const Interval& totals, const MeasuredSpan& span,
                      Result& result) {
  Sum all;
  double arrivals = 0;
  for (const LoadRecord& load : totals.loads) {
    all.Add(load);
    arrivals += static_cast<double>(load.arrivals);
    result.warmup_requests += load.warmup_requests;
  }
  result.total = FromSum("", all);
  AddHistograms(result, "", all.requests);
  const double seconds = std::max(ToMs(span.Length()) / 1000, 1e-9);
  double planned = 0;
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    planned += Due(scenario, i, totals.loads[i], span);
  }
  if (planned > 0) {
    result.target_rate = planned / seconds;
    result.achieved_rate = arrivals / seconds;
  } else {
    result.achieved_rate = static_cast<double>(all.iterations) / seconds;
  }
  for (std::size_t flow = 0; flow < scenario.flows.size(); ++flow) {
    const auto covers = [&](std::size_t load) { return scenario.loads[load].flow == flow; };
    bool used = false;
    for (std::size_t i = 0; i < scenario.loads.size(); ++i) used |= covers(i);
    if (!used) continue;
    result.flows.push_back(
        FlowSection(scenario, totals, scenario.flows[flow].name, flow, covers, &result));
  }
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    const auto covers = [&](std::size_t load) { return load == i; };
    result.loads.push_back(FlowSection(scenario, totals, scenario.loads[i].name,
                                       scenario.loads[i].flow, covers, nullptr));
  }
  AddSamples(scenario, totals, result);
}

void AssemblePools(const Scenario& scenario, const std::vector<std::unique_ptr<Engine>>& engines,
                   Result& result) {
  constexpr const char* kKinds[] = {"http", "postgres", "redis"};
  for (std::size_t i = 0; i < scenario.targets.size(); ++i) {
    PoolResult pool;
    pool.name = scenario.targets[i].name;
    pool.kind = kKinds[static_cast<int>(scenario.targets[i].kind)];
    for (const auto& engine : engines) {
      const pool::Core& core = engine->Targets()[i]->Pool().Core();
      const pool::Statistics& totals = core.Totals();
      pool.max += core.Bounds().max;
      pool.most_in_use += totals.most_in_use;
      pool.most_waiting += totals.most_waiting;
      pool.acquired += totals.acquired;
      pool.waited += totals.waited;
      pool.dialled += totals.dialled;
      pool.dial_failures += totals.dial_failures;
      pool.discarded += totals.discarded;
    }
    result.pools.push_back(std::move(pool));
  }
}

void AssembleCaches(const Scenario& scenario, const Interval& totals, const CacheSet& caches,
                    Result& result) {
  for (std::size_t i = 0; i < scenario.caches.size(); ++i) {
    const CacheSpec& spec = scenario.caches[i];
    CacheResult cache;
    cache.name = spec.name;
    cache.policy = spec.options.policy;
    if (spec.redis) cache.redis = scenario.targets[*spec.redis].name;
    cache.max_entries = spec.options.max_entries;
    cache.max_bytes = spec.options.max_bytes;
    cache.seen = totals.caches[i];
    cache.stats = caches.At(i).Stats();
    result.caches.push_back(std::move(cache));
  }
}

void AssembleAudio(const Interval& totals, const AudioSet& audio, Result& result) {
  PlayRecord all;
  for (const LoadRecord& load : totals.loads) {
    for (const RequestRecord& request : load.requests) all.Merge(request.play);
  }
  AudioResult& seen = result.audio.emplace();
  seen.streams = all.streams;
  seen.refused = all.refused;
  seen.frames = all.frames;
  seen.underruns = all.underruns;
  seen.overruns = all.overruns;
  seen.late = stats::Summarize(all.late);
  seen.over_period = all.over_period;
  seen.checked = false;
  seen.starved_ms = ToMs(audio.Starved());
  if (all.late.Count() > 0) {
    result.histograms.emplace_back("audio.late", stats::Encode(all.late));
  }
}

SeriesPoint PointOf(const Scenario& scenario, const Interval& second) {
  SeriesPoint point;
  const Duration from = std::chrono::seconds(second.second);
  point.t = static_cast<double>(second.second);
  point.target = PlannedArrivals(scenario, from, from + std::chrono::seconds(1));
  stats::Histogram latency;
  stats::Histogram service;
  std::uint64_t arrivals = 0;
  std::uint64_t total = 0;
  for (const LoadRecord& load : second.loads) {
    arrivals += load.arrivals;
    point.dropped += load.dropped;
    for (const RequestRecord& request : load.requests) {
      latency.Merge(request.clocks.latency);
      service.Merge(request.clocks.service_time);
      total += request.total;
      point.failed += request.Failed();
    }
  }
  const auto ms = [](const stats::Histogram& histogram, double q) {
    return static_cast<double>(histogram.ValueAtQuantile(q)) / 1000;
  };
  point.achieved = static_cast<double>(arrivals);
  point.requests = static_cast<double>(total);
  point.p50_ms = ms(latency, 0.5);
  point.p90_ms = ms(latency, 0.9);
  point.p99_ms = ms(latency, 0.99);
  point.max_ms = static_cast<double>(latency.Max()) / 1000;
  point.service_p99_ms = ms(service, 0.99);
  point.active = second.active;
  point.waiting = second.waiting;
  return point;
}

}  // namespace perf::load

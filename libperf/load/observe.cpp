// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/observe.hpp"

#include <algorithm>

namespace perf::load {
namespace {

bool Covers(const Scenario& scenario, const MetricPath& path, std::size_t load) {
  if (path.load) return *path.load == load;
  return !path.flow || scenario.loads[load].flow == *path.flow;
}

/// The histogram of a trend in a request's record.
const stats::Histogram& Pick(const RequestRecord& request, Metric metric) {
  switch (metric) {
    case Metric::kWait: return request.clocks.wait;
    case Metric::kServiceTime: return request.clocks.service_time;
    case Metric::kScheduleLag: return request.clocks.schedule_lag;
    case Metric::kFirstByte: return request.first_byte;
    case Metric::kLate: return request.play.late;
    default: return request.clocks.latency;
  }
}

template <typename Fn>
void ForEachLoad(const Scenario& scenario, const MetricPath& path, const Interval& recorded,
                 Fn fn) {
  for (std::size_t i = 0; i < recorded.loads.size(); ++i) {
    if (Covers(scenario, path, i)) fn(recorded.loads[i]);
  }
}

template <typename Fn>
void ForEachRequest(const Scenario& scenario, const MetricPath& path, const Interval& recorded,
                    Fn fn) {
  ForEachLoad(scenario, path, recorded, [&](const LoadRecord& load) {
    for (std::size_t i = 0; i < load.requests.size(); ++i) {
      if (!path.request || *path.request == i) fn(load.requests[i]);
    }
  });
}

double AggregateMs(const stats::Histogram& merged, const Condition& condition) {
  const auto quantile = [&](double q) { return static_cast<double>(merged.ValueAtQuantile(q)); };
  double micros = 0;
  switch (condition.aggregation) {
    case Aggregation::kAvg: micros = merged.Mean(); break;
    case Aggregation::kMin: micros = static_cast<double>(merged.Min()); break;
    case Aggregation::kMax: micros = static_cast<double>(merged.Max()); break;
    case Aggregation::kMed: micros = quantile(0.5); break;
    case Aggregation::kPercentile: micros = quantile(condition.percentile / 100); break;
    default: break;
  }
  return micros / 1000;
}

std::uint64_t Counted(const LoadRecord& load, Metric metric) noexcept {
  switch (metric) {
    case Metric::kDropped: return load.dropped;
    case Metric::kIterations: return load.iterations;
    case Metric::kRate: return load.arrivals;
    default: return 0;
  }
}

void AddPlay(const PlayRecord& play, Metric metric, Measure& into) {
  switch (metric) {
    case Metric::kUnderruns:
      into.count += play.underruns.frames;
      into.samples += play.frames;
      break;
    case Metric::kOverPeriod:
      into.count += play.over_period;
      into.samples += play.frames;
      break;
    case Metric::kRefused:
      into.count += play.refused;
      into.samples += play.streams + play.refused;
      break;
    case Metric::kStreams: into.count += play.streams; break;
    case Metric::kFrames: into.count += play.frames; break;
    default: break;
  }
}

void AddCache(const CacheRecord& cache, Metric metric, Measure& into) {
  switch (metric) {
    case Metric::kHitRatio:
      into.count += cache.l1_hits + cache.l2_hits;
      into.samples += cache.lookups;
      break;
    case Metric::kL1HitRatio:
      into.count += cache.l1_hits;
      into.samples += cache.lookups;
      break;
    case Metric::kL2HitRatio:
      into.count += cache.l2_hits;
      into.samples += cache.lookups - cache.l1_hits;
      break;
    case Metric::kLookups: into.count += cache.lookups; break;
    case Metric::kLoads: into.count += cache.loads; break;
    case Metric::kCoalesced: into.count += cache.coalesced; break;
    case Metric::kStaleHits: into.count += cache.stale; break;
    default: break;
  }
}

}  // namespace

void Measure::Reset() {
  count = samples = 0;
  times.Reset();
}

void AddMeasure(const Scenario& scenario, const MetricPath& path, const Interval& recorded,
                Measure& into) {
  if (path.cache) {
    if (*path.cache < recorded.caches.size()) {
      AddCache(recorded.caches[*path.cache], path.metric, into);
    }
    return;
  }
  ForEachLoad(scenario, path, recorded, [&](const LoadRecord& load) {
    if (path.metric == Metric::kDuration) into.times.Merge(load.duration);
    into.count += Counted(load, path.metric);
  });
  const MetricType type = TypeOf(path.metric);
  ForEachRequest(scenario, path, recorded, [&](const RequestRecord& request) {
    if (path.metric == Metric::kErrors) {
      into.samples += request.total;
      into.count += path.error == ErrorKind::kNone
                        ? request.Failed()
                        : request.errors[static_cast<std::size_t>(path.error)];
    } else if (path.metric == Metric::kRequests) {
      into.count += request.total;
    } else if (type == MetricType::kTrend && path.metric != Metric::kDuration) {
      into.times.Merge(Pick(request, path.metric));
    } else {
      AddPlay(request.play, path.metric, into);
    }
  });
}

Observation Aggregate(const MetricPath& path, const Condition& condition, const Measure& measure,
                      Duration length) {
  const MetricType type = TypeOf(path.metric);
  const bool counts = condition.aggregation == Aggregation::kCount;
  const auto count = static_cast<double>(measure.count);
  Observation seen;
  if (type == MetricType::kTrend) {
    seen.samples = measure.times.Count();
    if (seen.samples == 0) return seen;
    seen.value = counts ? static_cast<double>(seen.samples) : AggregateMs(measure.times, condition);
  } else if (type == MetricType::kRate || type == MetricType::kRatio) {
    seen.samples = measure.samples;
    if (seen.samples == 0) return seen;
    seen.value = counts ? count : count / static_cast<double>(seen.samples);
  } else {
    const bool per_second =
        condition.aggregation == Aggregation::kRate || path.metric == Metric::kRate;
    // What was never counted is known to be 0: that is a sample too.
    seen.samples = std::max<std::uint64_t>(measure.count, 1);
    seen.value = per_second ? count / std::max(ToMs(length) / 1000, 1e-9) : count;
  }
  return seen;
}

Observation Observe(const Scenario& scenario, const MetricPath& path, const Condition& condition,
                    const Interval& recorded, Duration length) {
  Measure measure;
  AddMeasure(scenario, path, recorded, measure);
  return Aggregate(path, condition, measure, length);
}

}  // namespace perf::load

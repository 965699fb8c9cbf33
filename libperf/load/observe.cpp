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

Observation ObserveTrend(const Scenario& scenario, const MetricPath& path,
                         const Condition& condition, const Interval& recorded) {
  stats::Histogram merged;
  if (path.metric == Metric::kDuration) {
    ForEachLoad(scenario, path, recorded,
                [&](const LoadRecord& load) { merged.Merge(load.duration); });
  } else {
    ForEachRequest(scenario, path, recorded,
                   [&](const RequestRecord& request) { merged.Merge(Pick(request, path.metric)); });
  }
  Observation seen;
  seen.samples = merged.Count();
  if (seen.samples == 0) return seen;
  seen.value = condition.aggregation == Aggregation::kCount ? static_cast<double>(seen.samples)
                                                            : AggregateMs(merged, condition);
  return seen;
}

Observation ObserveErrors(const Scenario& scenario, const MetricPath& path,
                          const Condition& condition, const Interval& recorded) {
  std::uint64_t failed = 0;
  Observation seen;
  ForEachRequest(scenario, path, recorded, [&](const RequestRecord& request) {
    seen.samples += request.total;
    failed += path.error == ErrorKind::kNone ? request.Failed()
                                             : request.errors[static_cast<std::size_t>(path.error)];
  });
  if (seen.samples == 0) return seen;
  seen.value = condition.aggregation == Aggregation::kCount
                   ? static_cast<double>(failed)
                   : static_cast<double>(failed) / static_cast<double>(seen.samples);
  return seen;
}

std::uint64_t Counted(const Scenario& scenario, const MetricPath& path, const Interval& recorded) {
  std::uint64_t count = 0;
  if (path.metric == Metric::kRequests) {
    ForEachRequest(scenario, path, recorded, [&](const RequestRecord& r) { count += r.total; });
    return count;
  }
  ForEachLoad(scenario, path, recorded, [&](const LoadRecord& load) {
    if (path.metric == Metric::kDropped) count += load.dropped;
    if (path.metric == Metric::kIterations) count += load.iterations;
    if (path.metric == Metric::kRate) count += load.arrivals;
  });
  return count;
}

}  // namespace

Observation Observe(const Scenario& scenario, const MetricPath& path, const Condition& condition,
                    const Interval& recorded, Duration length) {
  if (TypeOf(path.metric) == MetricType::kTrend) {
    return ObserveTrend(scenario, path, condition, recorded);
  }
  if (path.metric == Metric::kErrors) return ObserveErrors(scenario, path, condition, recorded);
  const auto count = static_cast<double>(Counted(scenario, path, recorded));
  const bool per_second =
      condition.aggregation == Aggregation::kRate || path.metric == Metric::kRate;
  Observation seen;
  // What was never counted is known to be 0: that is a sample too.
  seen.samples = std::max<std::uint64_t>(static_cast<std::uint64_t>(count), 1);
  seen.value = per_second ? count / std::max(ToMs(length) / 1000, 1e-9) : count;
  return seen;
}

}  // namespace perf::load

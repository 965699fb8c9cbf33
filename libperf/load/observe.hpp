// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/metric_path.hpp"
#include "libperf/load/recorder.hpp"
#include "libperf/load/scenario.hpp"
#include "libperf/load/threshold.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::load {

/// What a metric is made of, before it is aggregated.
struct Measure {
  std::uint64_t count = 0;    // of a counter or gauge what was counted, of errors the failed ones
  std::uint64_t samples = 0;  // of errors all requests
  stats::Histogram times;     // of a trend, in µs
  void Reset();
};
/// Adds what a metric path covers of `recorded`. Thread safety: as of `into`.
PERF_EXPORT void AddMeasure(const Scenario& scenario, const MetricPath& path,
                            const Interval& recorded, Measure& into);

/// A value and how many samples stand behind it; nothing where there is none.
struct Observation {
  std::optional<double> value;
  std::uint64_t samples = 0;
};

/// A condition's aggregation of what was measured within `length`.
/// Thread safety: pure.
PERF_EXPORT Observation Aggregate(const MetricPath& path, const Condition& condition,
                                  const Measure& measure, Duration length);
/// The same over what was recorded within `length`.
/// Thread safety: pure.
PERF_EXPORT Observation Observe(const Scenario& scenario, const MetricPath& path,
                                const Condition& condition, const Interval& recorded,
                                Duration length);

}  // namespace perf::load

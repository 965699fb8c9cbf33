// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
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

namespace perf::load {

/// A value and how many samples stand behind it; nothing where there is none.
struct Observation {
  std::optional<double> value;
  std::uint64_t samples = 0;
};

/// A condition's aggregation over what was recorded within `length`.
/// Thread safety: pure.
PERF_EXPORT Observation Observe(const Scenario& scenario, const MetricPath& path,
                                const Condition& condition, const Interval& recorded,
                                Duration length);

}  // namespace perf::load

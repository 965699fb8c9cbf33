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
#include "libperf/load/recorder.hpp"
#include "libperf/load/scenario.hpp"
#include "libperf/load/threshold.hpp"

namespace perf::load {

/// What a metric path means: `[load-or-flow.][step.]metric`. Without a step, the clocks of a load
/// or flow are those of its iterations; those of the run are those of all requests.
struct PERF_EXPORT MetricRef {
  enum class Name {
    kLatency,
    kWait,
    kServiceTime,
    kScheduleLag,
    kFirstByte,
    kRequests,
    kErrors,
    kDropped,
    kIterations,
    kRate
  };
  Name name = Name::kLatency;
  std::optional<ErrorKind> error;   // of `errors.timeout` and its like
  std::vector<std::size_t> loads;   // that it covers
  std::optional<std::string> step;  // name of the request step
  bool whole_run = false;

  MetricType Type() const noexcept;
  /// Throws: ConfigError for a path that names nothing, with a suggestion.
  static MetricRef Resolve(const Scenario& scenario, std::string_view path);
};

/// A value and how many samples stand behind it; nothing where there is none.
struct Observation {
  std::optional<double> value;
  std::uint64_t samples = 0;
};

/// Judges a condition's aggregation over what was recorded within `length`.
/// Thread safety: pure.
PERF_EXPORT Observation Observe(const Scenario& scenario, const MetricRef& metric,
                                const Condition& condition, const Interval& recorded,
                                Duration length);

/// Names of the request steps of a flow, by Step::request_id.
PERF_EXPORT std::vector<std::string> RequestNames(const FlowSpec& flow);

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/metric_path.hpp"
#include "libperf/load/metric_window.hpp"
#include "libperf/load/observe.hpp"
#include "libperf/load/recorder.hpp"
#include "libperf/load/result.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// Holds the thresholds of a scenario against what is recorded: windows and aborts each second,
/// the rest at the end. `dropped: count == 0` is added where an open load has no threshold on
/// `dropped` of its own; `errors: rate < 100%` is added to the results when every request failed
/// and no threshold is about errors. Thread safety: none. Lifetime: borrows the scenario. Memory:
/// for each threshold with a window what its own metric needs (see MetricWindow).
class PERF_EXPORT Judge {
 public:
  /// Throws: ConfigError for a metric path that names nothing.
  explicit Judge(const Scenario& scenario);

  /// After each whole second; gives the expression of a failed `abort: true` threshold.
  std::optional<std::string> OnSecond(const Interval& second, const Interval& totals,
                                      Duration elapsed);
  std::vector<ThresholdResult> Results(const Interval& totals, Duration length);

 private:
  struct Watched {
    ThresholdSpec spec;
    MetricPath path;
    bool implicit = false;
    bool aborted = false;
    std::optional<MetricWindow> window;
    bool window_failed = false;
    Observation worst;  // of all windows so far
    // Windows of a lower bound lie within these (from the run's start): the warm-up, the drain and
    // a part of a second have fewer of everything counted.
    Duration from = Duration::zero();
    Duration to = Duration::max();
  };
  void Add(const Scenario& scenario, ThresholdSpec spec, bool implicit);
  void Bound(Watched& watched) const;
  static void JudgeSecond(Watched& watched, const Interval& second);
  static void JudgeWindow(Watched& watched, const Observation& seen);
  void JudgeEnd(Watched& watched, const Interval& totals, Duration length) const;
  ThresholdResult Result(const Watched& watched, const Interval& totals, Duration length) const;

  const Scenario& scenario_;
  bool own_errors_ = false;  // the scenario judges errors itself
  std::vector<Watched> watched_;
};

/// Why a run says nothing about its target, in the codes of the contract: rate_missed, lag, cpu,
/// stalled, starved. `lag` in ms; `intended` and `arrivals` of the open loads.
PERF_EXPORT std::vector<std::pair<std::string, std::string>> InvalidReasons(
    const load::Result& result, std::uint64_t intended, std::uint64_t arrivals);

}  // namespace perf::load

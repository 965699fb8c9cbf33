// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/alerts/alert.hpp"
#include "libperf/monitor/alerts/engine.hpp"
#include "libperf/monitor/alerts/rule.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

/// Samples of the past in the order of time: what history, or a test, gives.
class PERF_EXPORT SampleSource {
 public:
  struct Moment {
    WallTime at{};
    metrics::MetricsSnapshot snapshot;
  };
  virtual ~SampleSource();
  /// The next moment; nothing at the end.
  virtual std::optional<Moment> Next() = 0;
};

struct BacktestOptions {
  /// The step of the samples, if it is longer than the interval at which rules are evaluated live:
  /// a series would look missing between two of them otherwise.
  EngineOptions engine;
  std::size_t most_transitions = 100'000;
};

struct BacktestResult {
  std::vector<Transition> transitions;
  bool cut = false;           // there were more
  std::size_t moments = 0;    // samples seen
  WallTime from{}, until{};   // first and last of them
  std::vector<Alert> at_end;  // what was still pending or firing
};

/// What the rules would have said: an engine is run over the samples, evaluated at each interval
/// from the first one on. Throws: what the source throws.
PERF_EXPORT BacktestResult Backtest(RuleSet rules, SampleSource& samples,
                                    const BacktestOptions& options = {});

/// {schema: perfkit.backtest/1, from, until, moments, cut, transitions: […], at_end: […]}.
PERF_EXPORT Json ToJson(const BacktestResult& result);

/// The metrics that the rules look at, as written there: what history has to be asked for. Of a
/// histogram h a rule may name h, h_count or h_sum.
PERF_EXPORT std::set<std::string> MetricNames(const RuleSet& rules);

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/backtest.hpp"

#include <utility>

namespace perf::monitor::alerts {

SampleSource::~SampleSource() = default;

BacktestResult Backtest(RuleSet rules, SampleSource& samples, const BacktestOptions& options) {
  // A hole is gone through only so far: long enough for data to be stale, and for pauses in `for`.
  constexpr Millis kLongestHole = std::chrono::hours(1);
  Engine engine(std::move(rules), options.engine);
  const Millis interval = options.engine.interval;
  BacktestResult result;
  WallTime next{};
  const auto evaluate = [&](WallTime at) {
    for (Transition& transition : engine.Evaluate(at)) {
      result.cut = result.cut || result.transitions.size() >= options.most_transitions;
      if (!result.cut) result.transitions.push_back(std::move(transition));
    }
    next = at + interval;
  };
  while (auto moment = samples.Next()) {
    if (result.moments++ == 0) {
      result.from = next = moment->at;
    } else if (moment->at < result.until) {
      continue;  // not in the order of time
    }
    const WallTime hole = result.until + kLongestHole;
    while (next < moment->at && next <= hole) evaluate(next);
    result.until = moment->at;
    engine.Observe(moment->at, moment->snapshot);
    if (next <= moment->at) evaluate(moment->at);
  }
  for (Alert& alert : engine.Alerts()) {
    if (alert.state != AlertState::kResolved) result.at_end.push_back(std::move(alert));
  }
  return result;
}

}  // namespace perf::monitor::alerts

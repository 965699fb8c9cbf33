// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/backtest.hpp"

#include <cstdint>
#include <utility>

#include "libperf/base/utc.hpp"

namespace perf::monitor::alerts {
namespace {

void AddNames(const Expression& expression, std::set<std::string>& names) {
  if (!expression.selector.metric.empty()) names.insert(expression.selector.metric);
  if (expression.left) AddNames(*expression.left, names);
  if (expression.right) AddNames(*expression.right, names);
}

}  // namespace

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

Json ToJson(const BacktestResult& result) {
  Json json = Json::MakeObject();
  json["schema"] = "perfkit.backtest/1";
  json["from"] = result.moments > 0 ? Json(ToRfc3339(result.from)) : Json();
  json["until"] = result.moments > 0 ? Json(ToRfc3339(result.until)) : Json();
  json["moments"] = std::uint64_t{result.moments};
  json["cut"] = result.cut;
  Json transitions = Json::MakeArray();
  for (const Transition& transition : result.transitions) transitions.Append(ToJson(transition));
  json["transitions"] = std::move(transitions);
  Json at_end = Json::MakeArray();
  for (const Alert& alert : result.at_end) at_end.Append(ToJson(alert));
  json["at_end"] = std::move(at_end);
  return json;
}

std::set<std::string> MetricNames(const RuleSet& rules) {
  std::set<std::string> names;
  for (const Rule& rule : rules.rules) {
    AddNames(*rule.expression, names);
    if (rule.where) AddNames(*rule.where->expression, names);
    for (const auto& level : rule.levels) {
      if (level && level->where) AddNames(*level->where->expression, names);
    }
  }
  return names;
}

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "libperf/monitor/alerts/engine.hpp"
#include "libperf/monitor/alerts/evaluate.hpp"
#include "libperf/monitor/alerts/series_store.hpp"
#include "libperf/monitor/alerts/tracked.hpp"

namespace perf::monitor::alerts {

/// What an Engine is made of. Thread safety: none.
struct Engine::Parts {
  Parts(RuleSet the_rules, EngineOptions the_options);

  /// The values of one rule at one instant.
  struct Round {
    Values values;
    std::optional<Values> where;
    std::array<std::optional<Values>, 4> level_where;
  };
  /// A change and the alert that changed, whose hiding is known only after all rules were judged.
  struct Change {
    Transition transition;
    const Tracked* alert;  // null: of a rule that is gone
  };

  void Judge(std::size_t rule, WallTime now, std::vector<Change>& changes);
  void JudgeStale(std::size_t rule, WallTime now, std::vector<Change>& changes);
  Round Measure(const Rule& rule, WallTime now);
  void Move(const Rule& rule, const Reading& reading, WallTime now, Tracked& alert,
            std::vector<Change>& changes);
  void Depart(WallTime now, std::vector<Change>& changes);
  void Hide(WallTime now);
  /// Takes an alert of a rule or series that is gone; told at the next evaluation.
  void Leave(const Rule& rule, Tracked& tracked);
  void CountTransition(AlertState to) { ++transitions[static_cast<std::size_t>(to)]; }
  /// f(rule, tracked) for every alert there is.
  template <typename F>
  void Each(const F& f) {
    for (std::size_t i = 0; i < rules.rules.size(); ++i) {
      for (auto& [series, alert] : tracked[i]) f(rules.rules[i], alert);
    }
    for (auto& [series, alert] : stale) f(stale_rule, alert);
  }
  template <typename F>
  void Each(const F& f) const {
    const_cast<Parts*>(this)->Each([&](const Rule& rule, const Tracked& alert) { f(rule, alert); });
  }

  EngineOptions options;
  RuleSet rules;
  SeriesStore store;
  std::vector<TrackedByLabels> tracked;  // by rule
  Rule stale_rule;
  TrackedByLabels stale;       // by {rule: NAME}
  std::vector<Alert> leaving;  // firing until the next evaluation
  std::vector<Alert> departed;
  Silences silences;
  bool rejudge = false;
  WallTime evaluated_at{};
  WallTime last{};    // of evaluations and of Restore: what an unknown instant is counted from
  Millis elapsed{0};  // to the evaluation that runs
  std::size_t alerts = 0;
  EngineCounts counts;
  std::array<std::uint64_t, 4> transitions{};  // by AlertState
};

/// The labels of an alert: the rule's own win.
Labels AlertLabels(const Labels& series, const Rule& rule);
/// With `alertname` and `severity`, for matchers.
Labels MatchLabels(const std::string& name, Level level, const Labels& labels);

}  // namespace perf::monitor::alerts

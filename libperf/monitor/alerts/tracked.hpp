// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libperf/monitor/alerts/alert.hpp"
#include "libperf/monitor/alerts/level_machine.hpp"
#include "libperf/monitor/alerts/rule.hpp"

namespace perf::monitor::alerts {

/// What is known of one series of one rule, alert or not: a series that vanishes must have been
/// known before.
struct Tracked {
  Labels labels;                       // of the alert: those of the series and of the rule, sorted
  std::array<LevelMachine, 4> levels;  // by Level
  bool unknown = false;
  std::optional<double> value;  // the last known
  WallTime known_at{};          // when that was
  AlertState state = AlertState::kInactive;
  Level level = Level::kOk;  // that fires; kept while resolved
  WallTime resolved_at{};
  WallTime changed_at{};
  std::string silenced_by;
  std::string inhibited_by;

  Level Firing() const noexcept { return Worst(AlertState::kFiring); }
  Level Pending() const noexcept { return Worst(AlertState::kPending); }
  /// As a change of it is told: of a pending alert the level that it waits for.
  Level Shown() const noexcept { return state == AlertState::kPending ? Pending() : level; }
  /// The earliest of its levels; the epoch where there is none.
  WallTime ActiveAt() const noexcept;
  WallTime FiredAt() const noexcept;
  void ClearHidden() noexcept {
    silenced_by.clear();
    inhibited_by.clear();
  }

 private:
  Level Worst(AlertState wanted) const noexcept {
    for (std::size_t i = levels.size(); i-- > 0;) {
      if (levels[i].state == wanted) return static_cast<Level>(i);
    }
    return Level::kOk;
  }
};

/// What one series says at one evaluation.
struct Reading {
  std::optional<double> value;
  std::optional<bool> where;                       // of the rule; nothing: not known, or none asked
  std::array<std::optional<bool>, 4> level_where;  // of each level
};

/// Moves one alert on. `elapsed`: since the last evaluation.
void Step(const Rule& rule, const Reading& reading, WallTime now, Millis elapsed, bool rejudge,
          Tracked& alert);
/// After Step: state, level and times as shown; whether one of the first two changed.
bool Settle(WallTime now, Millis keep_resolved, Tracked& alert);
/// The alert as it is shown.
Alert Show(const Rule& rule, const Tracked& tracked);

/// The alerts of one rule, by the labels of their series (without the rule's own).
using TrackedByLabels = std::map<Labels, Tracked>;

}  // namespace perf::monitor::alerts

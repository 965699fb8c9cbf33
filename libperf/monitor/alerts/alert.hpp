// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/monitor/alerts/matcher.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"
#include "libperf/monitor/level.hpp"

namespace perf::monitor::alerts {

enum class AlertState : std::uint8_t { kInactive, kPending, kFiring, kResolved };

/// "inactive", "pending", "firing" or "resolved".
PERF_EXPORT std::string_view Name(AlertState state) noexcept;

/// One alert as it is shown: its identity is name and labels, the level is no part of it.
struct Alert {
  std::string name;  // of the rule
  Labels labels;     // sorted; of the series and of the rule, without name and level
  AlertState state = AlertState::kPending;
  Level level = Level::kOk;     // firing: the worst that fires; resolved: the last one
  Level pending = Level::kOk;   // the worst that waits for its `for`
  bool unknown = false;         // no value was known at the last evaluation: the state is kept
  std::optional<double> value;  // the last one known
  WallTime active_at{};         // first bad evaluation
  WallTime fired_at{};          // epoch: not yet
  WallTime resolved_at{};       // epoch: not
  WallTime changed_at{};        // last change of state or level
  std::string summary;
  std::string description;
  std::string runbook_url;
  std::string measured;      // "95 % (WARNING > 90 %, clears at 81 %)"
  std::string silenced_by;   // id of the silence; or empty
  std::string inhibited_by;  // name of the alert that hides it; or empty

  bool Hidden() const noexcept { return !silenced_by.empty() || !inhibited_by.empty(); }
};

/// Identifies an alert in texts: `Name{a="x"}`.
PERF_EXPORT std::string Identity(const Alert& alert);
/// As GET /performance/alerts and `perfctl alerts --json` show it; times are RFC 3339, in UTC.
PERF_EXPORT Json ToJson(const Alert& alert);

/// A change of state or level of one alert.
struct Transition {
  WallTime at{};
  std::string name;
  Labels labels;
  AlertState from = AlertState::kInactive;
  AlertState to = AlertState::kInactive;
  Level from_level = Level::kOk;
  Level to_level = Level::kOk;
  std::optional<double> value;
  bool hidden = false;  // silenced or inhibited
};
PERF_EXPORT Json ToJson(const Transition& transition);

}  // namespace perf::monitor::alerts

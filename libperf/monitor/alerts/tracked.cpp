// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/tracked.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libperf/monitor/alerts/annotation.hpp"

namespace perf::monitor::alerts {
namespace {

enum class Verdict { kOk, kBad, kUnknown };

Verdict OfMissing(Missing missing) noexcept {
  switch (missing) {
    case Missing::kOk: return Verdict::kOk;
    case Missing::kBad: return Verdict::kBad;
    case Missing::kUnknown: break;
  }
  return Verdict::kUnknown;
}

/// A condition that does not hold makes everything well, known value or not; one that is not known
/// matters only where the value is bad.
Verdict Judge(const Rule& rule, const LevelRule& level, const Reading& reading,
              const std::optional<bool>& level_where, bool fires) {
  const bool asked = rule.where || level.where;
  if (rule.where && reading.where == false) return Verdict::kOk;
  if (level.where && level_where == false) return Verdict::kOk;
  if (!reading.value || std::isnan(*reading.value)) return OfMissing(rule.missing);
  if (!Holds(level.comparison, *reading.value, fires ? level.clear : level.enter)) {
    return Verdict::kOk;
  }
  const bool sure = (!rule.where || reading.where) && (!level.where || level_where);
  return !asked || sure ? Verdict::kBad : OfMissing(rule.missing);
}

}  // namespace

WallTime Tracked::ActiveAt() const noexcept {
  WallTime first{};
  for (const LevelMachine& machine : levels) {
    if (machine.state == AlertState::kInactive) continue;
    if (first == WallTime{} || machine.active_at < first) first = machine.active_at;
  }
  return first;
}

WallTime Tracked::FiredAt() const noexcept {
  WallTime first{};
  for (const LevelMachine& machine : levels) {
    if (!machine.Firing()) continue;
    if (first == WallTime{} || machine.fired_at < first) first = machine.fired_at;
  }
  return first;
}

void Step(const Rule& rule, const Reading& reading, WallTime now, Millis elapsed, bool rejudge,
          Tracked& alert) {
  alert.unknown = false;
  for (std::size_t i = rule.levels.size(); i-- > 0;) {
    LevelMachine& machine = alert.levels[i];
    if (!rule.levels[i]) {
      machine = {};
      continue;
    }
    const LevelRule& level = *rule.levels[i];
    // What takes other terms is held against the new ones from the beginning.
    if (rejudge) machine.Rejudge(now, level.hold);
    const bool higher =
        std::any_of(alert.levels.begin() + static_cast<std::ptrdiff_t>(i) + 1, alert.levels.end(),
                    [](const LevelMachine& other) { return other.Firing(); });
    switch (Judge(rule, level, reading, reading.level_where[i], machine.Firing())) {
      case Verdict::kBad:
        machine.Bad(now, level.hold);
        if (higher) machine.Promote(now);
        break;
      case Verdict::kOk: machine.Ok(now, rule.keep_firing); break;
      case Verdict::kUnknown:
        machine.Unknown(elapsed);
        alert.unknown = true;
        break;
    }
  }
  const bool known = reading.value && !std::isnan(*reading.value);
  if (known) alert.value = reading.value;
  if (!alert.unknown) alert.known_at = now;
}

bool Settle(WallTime now, Millis keep_resolved, Tracked& alert) {
  const AlertState before = alert.state;
  const Level before_level = alert.level;
  const Level firing = alert.Firing();
  if (firing != Level::kOk) {
    alert.state = AlertState::kFiring;
    alert.level = firing;
    alert.resolved_at = {};
  } else if (alert.Pending() != Level::kOk) {
    // One that fired a moment ago and pends again stays resolved for those who were told.
    alert.state = AlertState::kPending;
    if (before == AlertState::kFiring) alert.resolved_at = now;
  } else if (before == AlertState::kFiring) {
    alert.state = AlertState::kResolved;
    alert.resolved_at = now;
  } else if (alert.resolved_at != WallTime{}) {
    const bool over = now - alert.resolved_at > keep_resolved;
    alert.state = over ? AlertState::kInactive : AlertState::kResolved;
    if (over) {
      alert.resolved_at = {};
      alert.level = Level::kOk;
    }
  } else {
    alert.state = AlertState::kInactive;
    alert.level = Level::kOk;
  }
  // That one is no longer shown as resolved is no news.
  const bool faded = before == AlertState::kResolved && alert.state == AlertState::kInactive;
  const bool changed = !faded && (alert.state != before || alert.level != before_level);
  if (changed) alert.changed_at = now;
  return changed;
}

Alert Show(const Rule& rule, const Tracked& tracked) {
  Alert alert;
  alert.name = rule.name;
  alert.labels = tracked.labels;
  alert.state = tracked.state;
  if (tracked.state != AlertState::kPending) alert.level = tracked.level;
  alert.pending = tracked.Pending();
  alert.unknown = tracked.unknown;
  alert.value = tracked.value;
  alert.active_at = tracked.ActiveAt();
  alert.fired_at = tracked.FiredAt();
  alert.resolved_at = tracked.resolved_at;
  alert.changed_at = tracked.changed_at;
  alert.silenced_by = tracked.silenced_by;
  alert.inhibited_by = tracked.inhibited_by;
  const std::string value = tracked.value ? Show(*tracked.value, rule.unit) : "unknown";
  const auto expand = [&](const std::string& text) { return Expand(text, alert.labels, value); };
  alert.summary = expand(rule.annotations.summary);
  alert.description = expand(rule.annotations.description);
  alert.runbook_url = expand(rule.annotations.runbook_url);
  const Level shown = alert.level != Level::kOk ? alert.level : alert.pending;
  alert.measured = value;
  if (const auto& level = rule.At(shown)) {
    alert.measured += fmt::format(" ({} {} {}, clears at {})", Name(shown), Name(level->comparison),
                                  Show(level->enter, rule.unit), Show(level->clear, rule.unit));
  }
  return alert;
}

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "libperf/monitor/alerts/alert.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

/// One level of one alert: what Prometheus keeps for an alerting rule's series.
/// Thread safety: none; a value.
struct LevelMachine {
  AlertState state = AlertState::kInactive;  // never kResolved
  WallTime active_at{};
  WallTime fired_at{};
  WallTime ok_since{};  // while firing: since when the clear threshold is passed; epoch: it is not

  bool Firing() const noexcept { return state == AlertState::kFiring; }

  void Bad(WallTime now, Millis hold) noexcept {
    ok_since = {};
    if (state == AlertState::kInactive) {
      state = AlertState::kPending;
      active_at = now;
    }
    if (state == AlertState::kPending && now - active_at >= hold) {
      state = AlertState::kFiring;
      fired_at = now;
    }
  }

  void Ok(WallTime now, Millis keep_firing) noexcept {
    if (state == AlertState::kFiring && keep_firing > Millis(0)) {
      if (ok_since == WallTime{}) ok_since = now;
      if (now - ok_since < keep_firing) return;
    }
    *this = {};
  }

  /// Nothing is known of the last `length`: no clock runs then.
  void Unknown(Millis length) noexcept {
    if (state == AlertState::kPending) active_at += length;
    if (ok_since != WallTime{}) ok_since += length;
  }

  /// The clock was set back by `length`: what was some time ago stays so.
  void SetBack(Millis length) noexcept {
    for (WallTime* const time : {&active_at, &fired_at, &ok_since}) {
      if (*time != WallTime{}) *time = std::max(*time - length, WallTime(Millis(1)));
    }
  }

  /// After other terms were set.
  void Rejudge(WallTime now, Millis hold) noexcept {
    if (state == AlertState::kFiring && now - active_at < hold) state = AlertState::kPending;
  }

  /// A higher level fires: this one holds, too.
  void Promote(WallTime now) noexcept {
    if (state == AlertState::kFiring) return;
    if (state == AlertState::kInactive) active_at = now;
    state = AlertState::kFiring;
    fired_at = now;
  }
};

}  // namespace perf::monitor::alerts

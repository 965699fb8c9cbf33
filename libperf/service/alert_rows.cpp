// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/alert_rows.hpp"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>

#include "libperf/base/utc.hpp"

namespace perf::service {
namespace {

using monitor::alerts::Alert;
using monitor::alerts::AlertState;
using monitor::alerts::WallTime;

/// What of the labels tells people most: of a pool its name, without the backend.
std::string SubjectOf(const Alert& alert) {
  for (const char* name : {"pool", "cache", "target", "name"}) {
    for (const auto& [label, value] : alert.labels) {
      if (label == name) return value;
    }
  }
  std::string text;
  for (const auto& [label, value] : alert.labels) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", label, value);
  }
  return text;
}

}  // namespace

std::vector<report::StatusAlert> AlertRows(const std::vector<Alert>& alerts, WallTime now) {
  std::vector<report::StatusAlert> rows;
  for (const Alert& alert : alerts) {
    const bool firing = alert.state == AlertState::kFiring;
    if (!firing && alert.state != AlertState::kPending) continue;
    const WallTime since = firing ? alert.fired_at : alert.active_at;
    report::StatusAlert row;
    row.level = firing ? alert.level : alert.pending;
    row.name = alert.name;
    row.subject = SubjectOf(alert);
    row.state = !firing                       ? "pending"
                : !alert.silenced_by.empty()  ? "silenced"
                : !alert.inhibited_by.empty() ? "inhibited"
                                              : "firing";
    row.since = ToRfc3339(since);
    row.for_s = std::chrono::duration<double>(now - since).count();
    row.text = alert.measured.empty() ? alert.summary : alert.measured;
    row.runbook = alert.runbook_url;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>

#include "libperf/report/status.hpp"

namespace perf::test {

/// A service with a bit of everything wrong, as an agent tells it.
inline report::StatusDocument StatusExample() {
  using namespace report;
  using enum StatusUnit;
  StatusDocument document;
  document.tool_version = "0.4.0";
  document.generated_at = "2026-11-30T14:06:00.000Z";
  StatusAgent agent;
  agent.name = "prod-eu-1";
  agent.version = "0.4.0";
  agent.where = "/run/perfkit/4711.sock";
  agent.pid = 4711;
  agent.uptime_s = 3 * 86'400 + 4 * 3'600 + 5;
  agent.sampled_age_s = 2;
  agent.sampled_every_s = 10;
  agent.checks_ok = 11;
  agent.checks_total = 14;
  document.agents.push_back(agent);
  const auto row = [&](const char* area, StatusState state, const char* name,
                       std::vector<StatusReading> readings, std::vector<double> spark) {
    document.rows.push_back({area, "prod-eu-1", state, name, std::move(readings), "", spark});
  };
  const double gap = std::numeric_limits<double>::quiet_NaN();
  row("system", StatusState::kOk, "host",
      {{"cpu", 0.41, kRatio, {}, {}, ""},
       {"psi", 0.003, kRatio, {}, {}, ""},
       {"mem", 9.1 * 1073741824, kBytes, 32 * 1073741824.0, {}, ""}},
      {0.38, 0.4, 0.41, 0.42, 0.5, gap, 0.41});
  row("load", StatusState::kOk, "voice-turns",
      {{"last run", {}, kNone, {}, {}, "14:02 PASS"}, {"p99", 0.612, kSeconds, {}, {}, ""}}, {});
  row("pools", StatusState::kOk, "redis",
      {{"used", 6, kNone, 32, {}, ""},
       {"waiting", 0, kNone, {}, {}, ""},
       {"p99", 0.0004, kSeconds, {}, {}, ""}},
      {6, 6, 6, 6, 6, 6, 6});
  row("pools", StatusState::kCritical, "pg-main",
      {{"used", 20, kNone, 20, {}, ""},
       {"waiting", 14, kNone, {}, {}, ""},
       {"p99", 1.84, kSeconds, {}, {}, ""}},
      {2, 2, 4, 8, 12, 18, 20});
  row("caches", StatusState::kOk, "sessions",
      {{"hit", 0.984, kRatio, {}, {}, ""}, {"", 212 * 1048576.0, kBytes, 512 * 1048576.0, {}, ""}},
      {0.98, 0.98, 0.98, 0.98, 0.98, 0.98, 0.98});
  row("caches", StatusState::kWarning, "tts-audio",
      {{"hit", 0.612, kRatio, {}, 0.7, ""},
       {"", 1.9 * 1073741824, kBytes, 2 * 1073741824.0, {}, ""}},
      {0.9, 0.86, 0.8, 0.8, 0.75, 0.65, 0.61});
  row("audio", StatusState::kWarning, "encode",
      {{"RTF", 0.74, kNone, {}, 0.7, ""}, {"late", 0.0002, kRatio, {}, {}, ""}},
      {0.4, 0.4, 0.5, 0.5, 0.6, 0.74, 0.74});
  StatusAlert alert;
  alert.level = monitor::Level::kCritical;
  alert.name = "PoolSaturated";
  alert.subject = "pg-main";
  alert.agent = "prod-eu-1";
  alert.since = "2026-11-30T14:02:00.000Z";
  alert.for_s = 240;
  alert.text = "20/20 used, 14 waiting (limit 90 %)";
  alert.runbook = "https://runbooks.example/PoolSaturated";
  alert.next = "perfctl pools show pg-main";
  document.alerts.push_back(alert);
  return document;
}

}  // namespace perf::test

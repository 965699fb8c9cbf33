// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/monitor/level.hpp"

namespace perf::report {

/// How one thing is, worst last: std::max of two is the worse. What cannot be seen is worse than a
/// warning, for nobody knows, but a fault that is seen comes first.
enum class StatusState : std::uint8_t { kOk, kInfo, kWarning, kUnknown, kCritical };

/// "ok", "INFO", "WARNING", "UNKNOWN" or "CRITICAL".
PERF_EXPORT std::string_view Name(StatusState state) noexcept;
PERF_EXPORT std::optional<StatusState> ParseStatusState(std::string_view text) noexcept;
PERF_EXPORT StatusState StateOf(monitor::Level level) noexcept;
/// Of monitoring plugins: 0 ok and INFO, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
PERF_EXPORT int PluginCode(StatusState state) noexcept;

/// How the value of a reading is to be shown; in JSON it stays in this base unit.
enum class StatusUnit : std::uint8_t { kNone, kSeconds, kBytes, kRatio, kPerSecond };

/// One value of a row, such as "used 20/20" or "hit 61.2 % (want 70 %)".
struct StatusReading {
  std::string name;             // "used"
  std::optional<double> value;  // nothing: shown as "-"
  StatusUnit unit = StatusUnit::kNone;
  std::optional<double> limit;  // shown behind a slash
  std::optional<double> want;   // what a rule asks for; shown in parentheses
  std::string text;             // instead of the value where it is no number
};

/// One pool, cache, stage of audio, host, load or target.
struct StatusRow {
  std::string area;   // "pools", "caches", "audio", "system", "load" or "targets"
  std::string agent;  // the name of the agent that sees it; empty: this program itself
  StatusState state = StatusState::kOk;
  std::string name;
  std::vector<StatusReading> readings;  // the weightiest first: a narrow screen drops the last
  std::string spark_metric;             // what the series shows, such as "used"
  std::vector<double> spark;            // oldest first, NaN where nothing was seen
};

/// Something firing, waiting to fire or silenced.
struct StatusAlert {
  monitor::Level level = monitor::Level::kWarning;
  std::string name;     // of the rule: "PoolSaturated"
  std::string subject;  // "pg-main"
  std::string agent;
  std::string state = "firing";  // or "pending", "silenced", "inhibited"
  std::string since;             // RFC 3339, UTC
  double for_s = 0;              // since then
  std::string text;              // the measured value with its unit and the thresholds
  std::string runbook;           // URL; may be empty
  std::string next;              // the command that shows more; may be empty
};

/// A process that was asked: an agent, a run, or a program that embeds the runtime.
struct StatusAgent {
  std::string name;
  std::string kind = "agent";  // or "run", "program"
  std::string version;
  std::string where;  // socket or URL, without secrets
  std::int64_t pid = 0;
  double uptime_s = 0;
  std::optional<double> sampled_age_s;  // nothing: it has not sampled yet
  double sampled_every_s = 0;
  std::int64_t checks_ok = 0, checks_total = 0;
  std::string error;  // why it did not answer; its other members then say nothing

  /// Its newest sample is older than three steps (and than 5 s): what it says is no longer so.
  PERF_EXPORT bool Stale() const noexcept;
  /// UNKNOWN where it did not answer, has not sampled or is stale.
  PERF_EXPORT StatusState State() const noexcept;
};

/// What `perfctl status` shows, as JSON of the schema perfkit.status/1 (status.schema.json).
/// Thread safety: a value. Times are seconds, sizes bytes, ratios 0 to 1.
struct StatusDocument {
  std::string tool_version;
  std::string generated_at;         // RFC 3339, UTC
  std::string source = "agents";    // or "self" (no agent was there) or "history"
  bool machine_only = false;        // "self", and no target was named
  std::vector<StatusAgent> agents;  // agents and runs
  std::vector<StatusRow> rows;      // in any order: the view sorts
  std::vector<StatusAlert> alerts;
  double spark_window_s = 900;
  std::vector<std::string> notes;  // sentences for the end, such as what could not be read

  /// The worst of what is seen: rows of fresh agents, firing alerts, and the agents themselves.
  /// UNKNOWN where there is nothing at all.
  PERF_EXPORT StatusState Overall() const noexcept;
  PERF_EXPORT const StatusAgent* FindAgent(std::string_view name) const noexcept;
  /// The state that counts of a row: UNKNOWN where its agent is stale.
  PERF_EXPORT StatusState StateOfRow(const StatusRow& row) const noexcept;

  PERF_EXPORT Json ToJson() const;
  /// Members that it does not know are passed over: an agent may be newer. Memory: at most 1,000
  /// agents, 10,000 rows and 10,000 alerts are taken, of a row 64 readings and 1,000 points.
  /// Throws: ConfigError naming the member, for another schema or a member of another kind.
  PERF_EXPORT static StatusDocument FromJson(const Json& json);
};

}  // namespace perf::report

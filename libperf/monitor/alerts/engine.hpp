// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/alerts/alert.hpp"
#include "libperf/monitor/alerts/rule.hpp"
#include "libperf/monitor/alerts/silence.hpp"

namespace perf::monitor::alerts {

struct EngineOptions {
  Millis interval = std::chrono::seconds(5);        // of evaluations; 100 ms to 15 min
  Millis keep_resolved = std::chrono::minutes(15);  // shown and re-sent for so long
  Millis forget = std::chrono::hours(1);  // a series without data and without a firing alert
  std::size_t max_series = 10'000;        // in memory; more are not seen, and counted
  std::size_t max_bytes = std::size_t{16} << 20;
  std::size_t max_alerts = 10'000;
};

struct EngineCounts {
  std::uint64_t evaluations = 0;
  std::uint64_t transitions = 0;
  std::uint64_t failures = 0;        // rules that could not be evaluated (series with equal labels)
  std::uint64_t refused_series = 0;  // above max_series or max_bytes
  std::uint64_t refused_alerts = 0;  // above max_alerts
  std::size_t series = 0;
  std::size_t bytes = 0;  // of samples kept
};

/// Evaluates rules over the newest samples and keeps the state of their alerts: the fourteen points
/// of research/ops.md, section 2.2. A series whose newest sample is an interval old or older, and a
/// value that is not a number, are unknown: unknown neither fires nor resolves, stops all clocks,
/// and raises PerfkitDataStale (one for each rule) after three intervals.
/// Thread safety: none; the service holds it in a Guarded. Times must not run backwards: an earlier
/// `now` is ignored. Memory: bounded by the options.
/// Semantics of each level alone: those of Prometheus' alerting rules (see prometheus_rules.hpp).
class PERF_EXPORT Engine {
 public:
  /// Throws: ConfigError for options out of their range.
  explicit Engine(RuleSet rules, EngineOptions options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// Keeps what rules need of it. May come more often than evaluations, from several sources with
  /// different series; of samples nearer than half an interval the newest is kept.
  void Observe(WallTime now, const metrics::MetricsSnapshot& snapshot);
  /// Judges every rule; gives what changed, in the order of the rules.
  std::vector<Transition> Evaluate(WallTime now);
  /// Takes other rules. Alerts of rules of the same name go on and are judged by the new terms at
  /// the next evaluation (a longer `for` makes a firing alert pending again); those of rules that
  /// are gone are resolved then. Samples of metrics that stay in use are kept.
  void Reload(RuleSet rules);
  /// Ends at once whatever is known of series that match, for a target that was taken away on
  /// purpose.
  void Retire(const std::vector<Matcher>& matchers);

  /// Pending, firing and lately resolved ones: firing first, worst first, then by name and labels.
  std::vector<Alert> Alerts() const;
  /// The worst level that fires and is not hidden.
  Level Worst() const;
  /// When the last evaluation was complete; the epoch before the first one.
  WallTime EvaluatedAt() const noexcept;
  const RuleSet& Rules() const noexcept;
  const EngineOptions& Options() const noexcept;
  EngineCounts Counts() const;

  /// The silences take part from the next evaluation on.
  Silences& Quiet() noexcept;
  const Silences& Quiet() const noexcept;

  /// State of alerts and silences, for the store; `schema` is perfkit.alerts/1.
  Json Save(WallTime now) const;
  /// Takes what Save gave. The time between counts as unknown: not into `for`, nor keep_firing_for.
  /// Of a clock that was set back since then only what lies between its times counts.
  /// Throws: ConfigError for what is no such state; then nothing has changed.
  void Restore(const Json& saved, WallTime now);

  /// perfkit_alerts{alertname,severity,alertstate}, perfkit_alert_transitions_total,
  /// perfkit_alert_evaluation_failures_total, and what the engine keeps.
  void AddMetrics(metrics::Collection& collection) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

inline constexpr std::string_view kStaleAlert = "PerfkitDataStale";

}  // namespace perf::monitor::alerts

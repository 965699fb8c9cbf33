// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/alerts/engine.hpp"
#include "libperf/monitor/alerts/notifier.hpp"
#include "libperf/monitor/monitor.hpp"

namespace perf::monitor::alerts {

/// An engine and its notifier for many threads: fed by whoever samples, asked by whoever shows.
/// Thread safety: all methods. Lifetime: outlives the Monitor that it is the source of.
class PERF_EXPORT AlertWatch final : public AlertSource {
 public:
  /// `notifier` may be null: nobody is told. Throws: as Engine.
  explicit AlertWatch(RuleSet rules, EngineOptions options = {},
                      std::unique_ptr<Notifier> notifier = nullptr);
  ~AlertWatch() override;

  /// Observes, and judges when an interval has passed; logs and gives what changed. A clock that is
  /// set back by more than an interval costs the samples that windows look at, but no alert.
  std::vector<Transition> Sample(const metrics::MetricsSnapshot& snapshot, WallTime now);
  void Reload(RuleSet rules);
  void Retire(const std::vector<Matcher>& matchers);

  /// What fires and is not hidden, worst first.
  std::vector<ActiveAlert> ActiveAlerts() const override;
  std::vector<Alert> Alerts() const;
  Level Worst() const;
  WallTime EvaluatedAt() const;
  /// {schema: perfkit.alerts-view/1, evaluated_at, worst, alerts: […], silences: […]}.
  Json Document() const;

  /// Gives the silence's id. Throws: ConfigError as Silences::Add.
  std::string AddSilence(Silence silence, WallTime now);
  bool ExpireSilence(std::string_view id, WallTime now);

  /// See Engine: to be kept over a restart.
  Json Save(WallTime now) const;
  void Restore(const Json& saved, WallTime now);
  void AddMetrics(metrics::Collection& collection) const;
  /// Null where there is none.
  Notifier* Tells() noexcept { return notifier_.get(); }

 private:
  void SetBack(WallTime now);

  mutable std::mutex mutex_;  // of the engine, never held while somebody is notified
  Engine engine_;
  std::unique_ptr<Notifier> notifier_;
};

}  // namespace perf::monitor::alerts

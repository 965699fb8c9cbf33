// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/level.hpp"
#include "libperf/monitor/performance_config.hpp"
#include "libperf/monitor/performance_summary.hpp"
#include "libperf/monitor/system/system_sampler.hpp"
#include "libperf/monitor/tracking/tracker.hpp"
#include "libperf/monitor/watch/watch.hpp"

namespace perf::monitor {

/// An alert that fires now.
struct ActiveAlert {
  std::string name;
  Level level = Level::kWarning;
  metrics::Labels labels;
  std::string summary;  // one line
};

/// Who knows the alerts; the engine's side of Monitor::ActiveAlerts.
class PERF_EXPORT AlertSource {
 public:
  virtual ~AlertSource();
  /// Thread safety: any thread.
  virtual std::vector<ActiveAlert> ActiveAlerts() const = 0;
};

struct MonitorOptions {
  PerformanceConfig config;
  SystemOptions system;
  TrackerOptions tracker;
  WatchOptions watch;
};

/// Everything that one process knows of itself, its machine and its targets, in one place.
///   Monitor monitor;
///   monitor.Start();
///   auto scope = monitor.Track().TrackRequest("/calls", "POST");
/// Thread safety: all methods, but Targets().Add before Start. Lifetime: outlives scopes, handles
/// and whoever gathers its metrics; the alert source outlives it, or is taken away before.
class PERF_EXPORT Monitor {
 public:
  /// Throws: ConfigError for a configuration that cannot work.
  explicit Monitor(MonitorOptions options = {});
  ~Monitor();  // Stop, for at most 5 s
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// What /metrics shows; pools, caches and streams register theirs here too.
  metrics::Registry& Metrics() noexcept;
  SystemSampler& System() noexcept;
  /// track_request, track_database_operation, update_queue_size, update_error_rate,
  /// update_throughput and gauges.
  RequestTracker& Track() noexcept;
  Watcher& Targets() noexcept;
  const PerformanceConfig& Config() const noexcept;

  /// get_current_metrics: all of Metrics() now, and what was scraped from targets last, with the
  /// label `target`: what alerts and history are fed with.
  metrics::MetricsSnapshot CurrentMetrics() const;
  /// get_performance_summary: request rate, latency, errors and throughput over the last
  /// app_interval (less, shortly after the start), processor and memory.
  PerformanceSummary Summary(TimePoint now) const;
  /// get_active_alerts: worst first; none where alerting is off or nobody knows any.
  std::vector<ActiveAlert> ActiveAlerts() const;
  void SetAlertSource(const AlertSource* source) noexcept;

  /// Samples what is due and gives when it wants to be called again: for those who have a loop of
  /// their own. Start does it on a thread.
  TimePoint Tick(TimePoint now);
  /// Starts that thread, and the watch of targets.
  void Start();
  /// False: something still ran at the deadline.
  bool Stop(Deadline deadline);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perf::monitor

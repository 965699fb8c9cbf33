// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/watch/exposition_text.hpp"

namespace perf::monitor {

enum class WatchKind : std::uint8_t { kScrape, kPostgres, kRedis, kHttp };
/// "scrape", "postgresql", "redis" or "http".
PERF_EXPORT std::string_view Name(WatchKind kind) noexcept;

/// Somebody else's server that is looked at.
struct WatchTarget {
  std::string name;  // a label: unique, 1 to 64 bytes
  WatchKind kind = WatchKind::kHttp;
  /// kScrape and kHttp: http(s)://host[:port][/path]; kPostgres: what libpq takes; kRedis: as
  /// ParseRedisUrl takes it. kScrape without a path asks /metrics.
  std::string url;
  std::string unix_socket;  // of kScrape and kHttp: the way there instead of TCP
  std::string token;        // of kScrape and kHttp: sent as a bearer token; never shown
};

struct WatchOptions {
  Duration interval = std::chrono::seconds(1);         // between the starts of two probes
  Duration most_backoff = std::chrono::seconds(2);     // the same while it is down, after doubling
  Duration timeout = std::chrono::milliseconds(1500);  // of one probe, connecting included
  ExpositionLimits limits;
};

/// What is known of one target.
struct WatchStatus {
  std::string name;
  WatchKind kind = WatchKind::kHttp;
  std::string url;  // without secrets
  enum class State : std::uint8_t { kUnknown, kUp, kDown } state = State::kUnknown;
  std::string reason;  // while down: why, one line, without secrets
  TimePoint since{};   // of the state
  TimePoint at{};      // end of the last probe
  Duration latency{};  // of the last probe that succeeded
  std::uint64_t probes = 0, failures = 0, failures_in_row = 0;
};
/// "unknown", "up" or "down".
PERF_EXPORT std::string_view Name(WatchStatus::State state) noexcept;
/// {name, kind, url, state, reason?, since_s, latency_ms, checked_s_ago, probes, failures}.
PERF_EXPORT Json ToJson(const WatchStatus& status, TimePoint now);

/// Watches targets by probes on a loop with a thread of its own: metrics of any Prometheus
/// endpoint, pg_stat_activity and pg_stat_database of PostgreSQL, INFO of Redis, an HTTP request.
/// Each target has one connection, which is kept; a probe that finds it dead dials once more before
/// it fails. A target that is down is tried again after 1 s, then 2 s; that of others is not
/// touched by it. Thread safety: Add before Start, from one thread; all others from any thread.
/// Lifetime: outlives the Registration.
class PERF_EXPORT Watcher {
 public:
  explicit Watcher(WatchOptions options = {});
  ~Watcher();  // Stop, for at most 5 s
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Throws: ConfigError for a name or URL that cannot be, naming the target; Error after Start.
  void Add(const WatchTarget& target);
  /// `on_change` is told of each change of state, on the loop's thread, without a lock held; it
  /// must not block or throw.
  void OnChange(std::function<void(const WatchStatus&)> on_change);
  void Start();
  /// False: something still ran at the deadline. May be called again.
  bool Stop(Deadline deadline);

  std::vector<WatchStatus> Status() const;
  /// Collector "watch": perfkit_target_…, perfkit_postgresql_… and perfkit_redis_…, label `target`;
  /// see perfkit-metrics(7), TARGETS. Figures of a server that is down are absent.
  [[nodiscard]] metrics::Registry::Registration RegisterMetrics(metrics::Registry& registry);
  /// Adds what kScrape targets that are up gave last, with the label `target` on each series: for
  /// alerts and history, not for our own /metrics, where names could collide.
  void AddScraped(metrics::MetricsSnapshot& into) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perf::monitor

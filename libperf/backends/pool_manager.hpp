// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/http.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/pool_manager_config.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/task.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/pool/pool_metrics.hpp"

namespace perf::backends {

/// What a manager has to say without being asked.
struct PoolAlert {
  enum class Kind : std::uint8_t { kPoolDown, kPoolUp, kMemoryHigh, kMemoryNormal };
  Kind kind = Kind::kPoolDown;
  std::string pool;                // of kPoolDown and kPoolUp
  std::string text;                // one line, without secrets
  std::uint64_t memory_bytes = 0;  // resident, of the memory kinds
};

/// A copy of what a statement gave, for callers on other threads than the loop.
struct SqlRows {
  Failure failure;
  std::string sqlstate;
  std::vector<std::string> columns;
  std::vector<std::vector<SqlParameter>> rows;
  std::uint64_t affected = 0;
};

/// Named pools of all three kinds on one loop with a thread of its own: opened together, asked
/// together every check_interval whether their targets answer, and watched together for the
/// process' memory: above max_memory_mb idle connections are closed and an alert is raised, until
/// it is below nine tenths of that.
/// Degraded mode: a pool whose target is down fails its acquires at once and is tried again by each
/// check; the others do not notice.
/// Thread safety: Add… and Start from one thread, before any other call; Loop().Post, Snapshot,
/// Stop and the blocking calls from any thread; Pool() and what it gives on the loop's thread only.
/// Lifetime: outlives the tasks that callers spawned on its loop, which Stop ends.
class PERF_EXPORT PoolManager {
 public:
  /// `on_alert` runs on the loop's thread, without a lock held; it must not block or throw.
  /// Throws: ConfigError for a configuration that cannot work.
  explicit PoolManager(ConnectionPoolConfig config = {},
                       std::function<void(const PoolAlert&)> on_alert = {});
  ~PoolManager();  // Stop, for at most 5 s
  PoolManager(const PoolManager&) = delete;
  PoolManager& operator=(const PoolManager&) = delete;

  /// Throws: ConfigError for a bad or repeated name, or what the connector refuses; Error after
  /// Start.
  void AddPostgres(const std::string& name, PostgresConfig config);
  void AddRedis(const std::string& name, RedisConfig config);
  /// Health is asked by HEAD `check_path`; a status below 500 is an answer.
  void AddHttp(const std::string& name, HttpConfig config, const std::string& check_path = "/");
  /// Pools "database", "redis" and "http" of those URLs that are not empty, then Start.
  void InitializeDefaultPools(const std::string& database_url, const std::string& redis_url,
                              const std::string& http_url = {},
                              Deadline deadline = Deadline::After(Clock::now(),
                                                                  std::chrono::seconds(10)));
  /// Starts the loop's thread, contacts all targets at once and then fills the pools to their
  /// minimum. Throws: UnreachableError that names each target that did not answer, if
  /// require_reachable; the manager is stopped then.
  void Start(Deadline deadline);
  /// Ends what runs on the loop and closes all connections; false: something was still running.
  /// After it calls fail. May be called again; not from the loop's thread.
  bool Stop(Deadline deadline);

  EventLoop& Loop() noexcept;
  /// For coroutines on the loop: `co_await manager.Pool("database").Borrow(now)`.
  /// Throws: Error for an unknown name.
  ConnectionPool& Pool(std::string_view name);
  /// The number of a statement's text for SqlStatement::id, the same for all of this manager's
  /// pools. Throws: Error for the 4,097th text: each stays prepared on each connection.
  std::uint32_t StatementId(const std::string& text);

  /// Runs `body` as a task on the loop and waits for its end. False: the deadline came first; the
  /// task goes on, so what it refers to has to live on. Throws: what the task throws; Error once
  /// the manager is stopped, or on the loop's own thread.
  bool Run(std::function<Task<void>()> body, Deadline deadline);
  /// Blocking calls: borrow, ask, give back, all within the deadline; `failure` says why not.
  /// Throws: Error for an unknown name or another kind, and as Run.
  SqlRows Query(const std::string& pool, const std::string& text,
                std::vector<SqlParameter> parameters, Deadline deadline);
  RedisReply Command(const std::string& pool, std::vector<std::string> words, Deadline deadline);
  HttpReply Fetch(const std::string& pool, HttpRequest request, Deadline deadline);

  /// {healthy, memory{rss_bytes, limit_bytes, high}, pools{NAME: {kind, min, max, idle, in_use, …,
  /// health{status, latency_ms, checked_ms_ago, failures_in_row, error},
  /// breaker{state, why}}}, stale}. Where the loop
  /// does not answer within a second it is the last one, with stale: true.
  Json Snapshot();
  /// One collector for each pool, after Start; the registrations go before the manager.
  [[nodiscard]] std::vector<metrics::Registry::Registration> RegisterMetrics(
      metrics::Registry& registry, pool::PoolNames names = pool::PoolNames::kPerfkit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perf::backends

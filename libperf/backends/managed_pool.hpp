// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/http.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/task.hpp"
#include "libperf/pool/breaker.hpp"
#include "libperf/pool/pool_metrics.hpp"

namespace perf::backends {

/// How a pool's target answered last.
struct PoolHealth {
  bool checked = false;
  bool ok = false;
  Duration latency{};  // of the question alone, without waiting for a connection
  TimePoint at{};
  std::string error;
  unsigned failures_in_row = 0;
};

/// One pool of a PoolManager: connector, pool, circuit breaker and the cheap question for its kind.
/// Thread safety: none but Figures; belongs to the manager's loop.
class ManagedPool {
 public:
  virtual ~ManagedPool();
  ManagedPool(const ManagedPool&) = delete;
  ManagedPool& operator=(const ManagedPool&) = delete;

  const std::string& Name() const noexcept { return pool_->Settings().name; }
  virtual std::string_view Kind() const noexcept = 0;  // postgres, redis, http
  ConnectionPool& Pool() noexcept { return *pool_; }
  const ConnectionPool& Pool() const noexcept { return *pool_; }
  const PoolHealth& Health() const noexcept { return health_; }

  /// The first contact: dials one connection, keeps it and asks.
  Task<void> Open(Deadline deadline);
  /// Borrows a connection as anybody does, asks, and notes the answer; at most one at a time.
  Task<void> Check(Duration timeout);
  Json ToJson(TimePoint now) const;
  /// For metrics. Thread safety: any thread.
  pool::PoolFigures Figures() const;

 protected:
  ManagedPool() = default;
  void MakePool(EventLoop& loop, ConnectionPool::Options options, ConnectionPool::Dial dial);
  /// For the destructors of kinds: connections go before their connector.
  void DropPool() noexcept { pool_.reset(); }
  virtual Task<void> Ask(Loan& loan, Failure& failure, Deadline deadline) = 0;
  virtual Task<void> Reach(Failure& failure, Deadline deadline);

 private:
  void Note(const Failure& failure, Duration latency, TimePoint now);
  std::shared_ptr<pool::Breaker> breaker_ = std::make_shared<pool::Breaker>(pool::BreakerOptions{});
  std::shared_ptr<pool::PoolTimes> times_ = std::make_shared<pool::PoolTimes>();
  std::unique_ptr<ConnectionPool> pool_;
  PoolHealth health_;
  bool checking_ = false;
};

/// `check` is the statement to ask. Throws, as the other two: what the connector's maker throws.
std::unique_ptr<ManagedPool> MakeManagedPostgres(EventLoop& loop, ConnectionPool::Options options,
                                                 PostgresConfig config, SqlStatement check);
std::unique_ptr<ManagedPool> MakeManagedRedis(EventLoop& loop, ConnectionPool::Options options,
                                              RedisConfig config);
/// Asks HEAD `path`; a status below 500 is an answer.
std::unique_ptr<ManagedPool> MakeManagedHttp(EventLoop& loop, ConnectionPool::Options options,
                                             HttpConfig config, std::string path);

}  // namespace perf::backends

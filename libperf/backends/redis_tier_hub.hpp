// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/export.hpp"
#include "libperf/pool/breaker.hpp"

namespace perf::backends {

/// Opens after ten failures among the last twenty calls, and is tried again after 0.2 s, then up to
/// every second.
PERF_EXPORT pool::BreakerOptions DefaultTierBreaker();

struct RedisTierHubOptions {
  RedisConfig config;            // of ParseRedisUrl; the primary is meant, whatever its role says
  std::size_t connections = 10;  // to each server, beside those of invalidations
  Duration connect_timeout = std::chrono::seconds(1);
  pool::BreakerOptions breaker = DefaultTierBreaker();
};

/// What the caches of a process that are in one Redis share: an event loop with its thread, a pool
/// of connections and a circuit breaker. While the breaker is open, only the hub itself asks the
/// server whether it is well again, so that no user's request waits for that.
/// Thread safety: Start, Stats, Admits and OnLoop from any thread; the rest belongs to the
/// loop's thread. Lifetime: outlives its tiers, which hold it; not destroyed on its own thread. The
/// destructor ends what runs within some milliseconds.
class PERF_EXPORT RedisTierHub {
 public:
  /// Throws: ConfigError.
  explicit RedisTierHub(RedisTierHubOptions options);
  ~RedisTierHub();
  RedisTierHub(const RedisTierHub&) = delete;
  RedisTierHub& operator=(const RedisTierHub&) = delete;

  struct Figures {
    pool::Counts now;
    pool::Statistics totals;
    pool::BreakerSnapshot breaker;
  };
  Figures Stats() const;
  /// False: requests are answered at once that the server is down.
  bool Admits() const noexcept { return breaker_.Now() == pool::Breaker::State::kClosed; }
  bool OnLoop() const noexcept { return thread_id_.load() == std::this_thread::get_id(); }
  const RedisConfig& Config() const noexcept { return config_; }
  EventLoop& Loop() noexcept { return loop_; }
  /// Spawns what `task` makes on the loop; it always runs to its end before the hub is gone.
  void Start(std::function<Task<void>()> task);

  /// Leave for one call; none while the breaker is not closed.
  pool::Breaker::Permit Admit();
  void Record(pool::Breaker::Permit permit, const Failure& failure, Duration took);
  /// Borrows a connection and asks; without the breaker. False: all connections were lent until the
  /// deadline, which says nothing about the server. Lifetime: the references outlive the task.
  Task<bool> Execute(const RedisCommand& command, RedisReply& reply, Deadline deadline);
  /// `listener` is called when Admits may have changed, until `owner` takes it away.
  void Listen(const void* owner, std::function<void()> listener);
  void Unlisten(const void* owner) { listeners_.erase(owner); }

 private:
  void ThreadMain();
  Task<void> Linger();
  Task<void> Recover();
  Task<void> ProbeOnce(pool::Breaker::Permit& permit);
  void Tell();

  const RedisConfig config_;
  EventLoop loop_;
  pool::Breaker breaker_;
  std::unique_ptr<RedisConnector> connector_;
  std::unique_ptr<ConnectionPool> pool_;
  std::map<const void*, std::function<void()>> listeners_;
  bool recovering_ = false;
  std::atomic<std::uint64_t> outstanding_{0};
  std::atomic<std::thread::id> thread_id_{};
  std::thread thread_;
};

}  // namespace perf::backends

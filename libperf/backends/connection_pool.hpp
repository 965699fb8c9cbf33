// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"
#include "libperf/pool/core.hpp"

namespace perf::backends {

class ConnectionPool;

/// A borrowed connection that returns itself.
/// Thread safety: none. Lifetime: shorter than its pool's.
class PERF_EXPORT Loan {
 public:
  Loan() noexcept = default;
  Loan(ConnectionPool& pool, std::unique_ptr<pool::Resource> connection) noexcept
      : pool_(&pool), connection_(std::move(connection)) {}
  Loan(Loan&& other) noexcept = default;
  Loan& operator=(Loan&& other) noexcept;
  ~Loan() { Return(); }
  explicit operator bool() const noexcept { return connection_ != nullptr; }
  /// Requires: a loan of a pool of such connections.
  template <typename T>
  T& As() const noexcept {
    return static_cast<T&>(*connection_);
  }
  void Return() noexcept;

 private:
  ConnectionPool* pool_ = nullptr;
  std::unique_ptr<pool::Resource> connection_;
};

/// The pool of one target on one loop: pool::Core with dials, deadlines and coroutines around it.
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: borrows the loop; destroyed after EventLoop::Live() reached 0, because its dials are
/// spawned tasks.
class PERF_EXPORT ConnectionPool {
 public:
  using Dial = std::function<Task<Dialled<Connection>>(Deadline deadline)>;
  struct Options {
    std::string name;
    pool::Limits limits;
    Duration acquire_timeout = std::chrono::seconds(5);
    Duration connect_timeout = std::chrono::seconds(3);
    std::uint64_t seed = 1;
  };
  ConnectionPool(EventLoop& loop, Options options, Dial dial);

  struct Acquired {
    Loan loan;
    Failure failure;  // kConnect: the target is down; kTimeout: none came free in time
    TimePoint at{};   // when it came, or now where nobody had to wait
  };
  class Acquire;
  /// `co_await pool.Borrow(now)` gives Acquired; it does not suspend where one is idle. The dial
  /// that it may cause has the pool's own deadline, not the borrower's.
  Acquire Borrow(TimePoint now) noexcept;

  /// Dials one connection and keeps it; says why not. For the look before a run starts.
  Task<Failure> Probe(Deadline deadline);
  /// Starts the dials that `min` asks for.
  void Prefill() { StartDials(Clock::now()); }
  void CloseIdle() noexcept { core_.CloseIdle(); }
  void Reap(TimePoint now) { core_.Reap(now); }
  const pool::Core& Core() const noexcept { return core_; }
  const Options& Settings() const noexcept { return options_; }
  TimePoint RetryAt() const noexcept { return core_.RetryAt(); }

 private:
  friend class Loan;
  friend class Acquire;
  void StartDials(TimePoint now);
  Task<void> DialOne();
  Task<void> RetryLater();
  void Settle(Dialled<Connection> dialled);
  void TakeBack(std::unique_ptr<pool::Resource> connection) noexcept;

  EventLoop& loop_;
  Options options_;
  Dial dial_;
  pool::Core core_;
  bool retry_planned_ = false;
};

/// The awaiter of Borrow; lives in the borrower's frame.
class PERF_EXPORT ConnectionPool::Acquire final : public pool::Waiter {
 public:
  Acquire(ConnectionPool& pool, TimePoint now) noexcept : pool_(pool), now_(now) {}
  ~Acquire() override;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  Acquired await_resume() noexcept;

 private:
  void Grant(std::unique_ptr<pool::Resource> resource) noexcept override;
  void Fail(const std::string& why) noexcept override;
  void Expire();

  ConnectionPool& pool_;
  TimePoint now_;
  std::coroutine_handle<> handle_;
  std::unique_ptr<pool::Resource> resource_;
  Failure failure_;
  std::optional<Alarm> alarm_;  // made only by those who wait
};

inline ConnectionPool::Acquire ConnectionPool::Borrow(TimePoint now) noexcept {
  return Acquire(*this, now);
}

}  // namespace perf::backends

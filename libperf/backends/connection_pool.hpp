// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"
#include "libperf/pool/breaker.hpp"
#include "libperf/pool/core.hpp"

namespace perf::pool {
struct PoolTimes;
}

namespace perf::backends {

class PoolState;

/// What a pool, its loans and its tasks hold of it; the last one that lets go frees it.
/// Thread safety: none; belongs to its loop's thread.
class PERF_EXPORT PoolRef {
 public:
  PoolRef() noexcept = default;
  explicit PoolRef(PoolState& state) noexcept;
  PoolRef(PoolRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  PoolRef& operator=(PoolRef&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~PoolRef() {
    if (state_ != nullptr) Drop();
  }
  PoolState& operator*() const noexcept { return *state_; }
  PoolState* operator->() const noexcept { return state_; }

 private:
  void Drop() noexcept;
  PoolState* state_ = nullptr;
};

/// A borrowed connection that returns itself, and keeps what it needs of its pool alive.
/// Thread safety: none. Lifetime: may be longer than its pool's, but not than the loop's.
class PERF_EXPORT Loan {
 public:
  Loan() noexcept = default;
  Loan(PoolState& pool, pool::Slot& slot, pool::Breaker::Permit permit) noexcept
      : pool_(pool), slot_(&slot), permit_(std::move(permit)) {}
  Loan(Loan&& other) noexcept
      : pool_(std::move(other.pool_)),
        slot_(std::exchange(other.slot_, nullptr)),
        failed_(other.failed_),
        permit_(std::move(other.permit_)) {}
  Loan& operator=(Loan&& other) noexcept;
  ~Loan() { Return(); }
  explicit operator bool() const noexcept { return slot_ != nullptr; }
  /// Requires: a loan of a pool of such connections.
  template <typename T>
  T& As() const noexcept {
    return slot_->As<T>();
  }
  /// The connection is destroyed at its return; for the circuit breaker the call has failed.
  void MarkBroken() noexcept { slot_->MarkBroken(); }
  /// For the circuit breaker the call has failed; the connection is fine.
  void MarkFailed() noexcept { failed_ = true; }
  void Return() noexcept;

 private:
  PoolRef pool_;
  pool::Slot* slot_ = nullptr;
  bool failed_ = false;
  pool::Breaker::Permit permit_;
};

/// The pool of one target on one loop: pool::Core with dials, deadlines and coroutines around it.
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: borrows the loop. What its dials use is destroyed after EventLoop::Live() reached 0,
/// because they are spawned tasks. The destructor closes the pool: who waits is told kClosed, and
/// what is lent goes at its return.
class PERF_EXPORT ConnectionPool {
 public:
  using Where = std::source_location;
  using Dial = std::function<Task<Dialled<Connection>>(Deadline deadline)>;
  /// Says whether the connection is fit for use after it.
  using Care = std::function<Task<bool>(Connection& connection, Deadline deadline)>;
  struct Options {
    std::string name;
    pool::Limits limits;
    Duration acquire_timeout = std::chrono::seconds(5);
    Duration connect_timeout = std::chrono::seconds(3);
    std::uint64_t seed = 1;
    Care reset;  // of a returned one that NeedsReset
    Care ping;   // of an idle one (Limits::keepalive); none: Resource::Alive
    Duration care_timeout = std::chrono::seconds(2);
    std::function<void(const pool::Holder& holder)> on_leak;
    std::shared_ptr<pool::Breaker> breaker;  // asked before each borrow, told at each return
    std::shared_ptr<pool::PoolTimes> times;  // told of each dial, wait and loan
  };
  ConnectionPool(EventLoop& loop, Options options, Dial dial);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  struct Acquired {
    Loan loan;
    Failure failure;  // kConnect: the target is down; kTimeout: none came free in time
    TimePoint at{};   // when it came, or now where nobody had to wait
    std::unique_ptr<pool::Refusal> why;  // of a failure
  };
  class Acquire;
  /// `co_await pool.Borrow(now)` gives Acquired; it does not suspend where one is idle. The dial
  /// that it may cause has the pool's own deadline, not the borrower's.
  Acquire Borrow(TimePoint now, Where where = Where::current()) noexcept;
  /// The same, but fails at `until` where that comes before the acquire timeout.
  Acquire Borrow(TimePoint now, Deadline until, Where where = Where::current()) noexcept;

  /// Dials one connection and keeps it; says why not. For the look before a run starts.
  Task<Failure> Probe(Deadline deadline);
  /// Starts the dials that `min` asks for.
  void Prefill();
  void CloseIdle() noexcept;
  /// Ages, pings, leaks; the pool also does it by itself once it was used.
  void Reap(TimePoint now);
  /// All connections of now go: idle at once, borrowed ones at their return.
  void Invalidate();
  void Resize(std::size_t min, std::size_t max);
  /// Lends nothing any more, and waits until all are returned: false when the deadline came first.
  /// Acquires wait meanwhile, or fail if `refuse`. Paused until Resume either way.
  Task<bool> Pause(Deadline deadline, bool refuse = false);
  void Resume();
  /// Closes for good, and waits until all are returned: false when the deadline came first.
  Task<bool> Drain(Deadline deadline);

  const pool::Core& Core() const noexcept;
  const Options& Settings() const noexcept;
  TimePoint RetryAt() const noexcept { return Core().RetryAt(); }

 private:
  PoolRef state_;
};

/// The awaiter of Borrow; lives in the borrower's frame.
class PERF_EXPORT ConnectionPool::Acquire final : public pool::Waiter {
 public:
  Acquire(PoolState& pool, TimePoint now, Deadline until, Where where) noexcept
      : pool_(pool), now_(now), until_(until), where_(where) {}
  ~Acquire() override;
  bool await_ready();
  bool await_suspend(std::coroutine_handle<> handle);
  Acquired await_resume();

 private:
  void Grant(pool::Slot& slot) noexcept override;
  void Fail(const pool::Refusal& why) noexcept override;
  void Refuse(pool::Cause cause, TimePoint now);
  void Expire();

  PoolRef pool_;
  TimePoint now_;
  Deadline until_;
  Where where_;
  std::coroutine_handle<> handle_;
  pool::Slot* slot_ = nullptr;
  pool::Breaker::Permit permit_;
  std::unique_ptr<pool::Refusal> why_;
  std::optional<Alarm> alarm_;  // made only by those who wait
};

inline ConnectionPool::Acquire ConnectionPool::Borrow(TimePoint now, Where where) noexcept {
  return Acquire(*state_, now, Deadline::Never(), where);
}

inline ConnectionPool::Acquire ConnectionPool::Borrow(TimePoint now, Deadline until,
                                                      Where where) noexcept {
  return Acquire(*state_, now, until, where);
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/pool/breaker.hpp"
#include "libperf/pool/core.hpp"

namespace perf::pool {

class BlockingState;

/// A borrowed resource of a BlockingPool; returns itself when destroyed, and keeps what it needs of
/// its pool alive.
/// Thread safety: none; may be handed to another thread and returned there.
class PERF_EXPORT BlockingLoan {
 public:
  BlockingLoan() noexcept = default;
  BlockingLoan(BlockingState& state, Slot& slot) noexcept : state_(&state), slot_(&slot) {}
  BlockingLoan(BlockingLoan&& other) noexcept
      : state_(other.state_), slot_(std::exchange(other.slot_, nullptr)) {}
  BlockingLoan& operator=(BlockingLoan&& other) noexcept;
  ~BlockingLoan() {
    if (slot_ != nullptr) Return();
  }
  explicit operator bool() const noexcept { return slot_ != nullptr; }
  template <typename T>
  T& As() const noexcept {
    return slot_->As<T>();
  }
  Resource& Get() const noexcept { return slot_->Get(); }
  /// It is destroyed at its return, and replaced if somebody needs it.
  void MarkBroken() noexcept { slot_->MarkBroken(); }
  void Return() noexcept;

 private:
  BlockingState* state_ = nullptr;
  Slot* slot_ = nullptr;
};

/// A pool for plain threads on the same Core: acquires park their thread, dials run on the pool's
/// own threads with the pool's own deadline, and one thread keeps it up (ages, pings, leaks).
/// Thread safety: all methods.
/// Lifetime: a loan may outlive it. The destructor closes the pool and waits for the dials under
/// way, at most `connect_timeout`. A forked child gets kForked.
class PERF_EXPORT BlockingPool {
 public:
  /// Dials one; null, and `why` says the reason. Called on the pool's threads, several at a time.
  using Dial = std::function<std::unique_ptr<Resource>(Deadline deadline, std::string& why)>;
  struct Options {
    std::string name;
    Limits limits;
    Duration connect_timeout = std::chrono::seconds(3);
    std::uint64_t seed = 1;
    /// Cleans up a returned one on the returning thread; false: it is broken. Empty: nothing to do.
    std::function<bool(Resource&)> reset;
    /// Pings an idle one, on the pool's thread; false: it is dead. Empty: Resource::Alive.
    std::function<bool(Resource&)> ping;
    std::function<void(const Holder&)> on_leak;  // on the pool's thread
  };
  /// Why there is no loan; false when there is one. Small, because every acquire makes one.
  struct Refused {
    Cause cause = Cause::kNone;
    std::unique_ptr<Refusal> details;  // of every cause but kNone
    explicit operator bool() const noexcept { return cause != Cause::kNone; }
    // Requires: one of these.
    const Refusal& operator*() const noexcept { return *details; }
    const Refusal* operator->() const noexcept { return details.get(); }
    operator const Refusal&() const noexcept { return *details; }
  };
  /// What acquire gave: a loan, or why there is none.
  struct Lent {
    BlockingLoan loan;
    Refused refusal;
  };
  BlockingPool(Options options, Dial dial);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Borrows one, waiting until the deadline at most.
  Lent Acquire(Deadline deadline, Core::Where where = Core::Where::current());
  /// As Acquire. Throws: PoolError.
  BlockingLoan AcquireOrThrow(Deadline deadline, Core::Where where = Core::Where::current());
  /// The dials for `min`, or until the deadline; whether so many are open then.
  bool Prefill(Deadline deadline);

  void Invalidate();
  void Resize(std::size_t min, std::size_t max);
  /// Stops lending and waits until all are returned; false: the deadline came first (still paused).
  bool Pause(Deadline deadline, bool refuse = false);
  void Resume();
  /// Closes for good and waits until all are returned; false: the deadline came first.
  bool Drain(Deadline deadline);
  const pool::Core& Core() const noexcept;

 private:
  std::shared_ptr<BlockingState> state_;
};

}  // namespace perf::pool

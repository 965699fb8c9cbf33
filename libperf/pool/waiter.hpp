// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/pool/refusal.hpp"
#include "libperf/pool/slot.hpp"

namespace perf::pool {

class Parker;

/// Somebody who waits for a resource; linked into the core's queue, oldest first.
/// Thread safety: none; its fields are the core's while it is queued.
/// Lifetime: stays at its place from Enqueue until it was given something (Grant or Fail was
/// called, or State() says so), or Core::Remove returned true.
class PERF_EXPORT Waiter {
 public:
  enum class Status : std::uint8_t { kOutside, kWaiting, kDelivered, kFailed };

  /// One that is called back.
  Waiter() noexcept = default;
  /// A thread that parks: it is woken instead of called back, and reads State() and Given().
  explicit Waiter(Parker& parker) noexcept : parker_(&parker) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;

  /// Takes the slot over. Called without a lock, on the thread that returned the resource: it
  /// only passes the news on to the waiter's own executor.
  virtual void Grant(Slot& slot) noexcept = 0;
  /// No resource will come. As Grant.
  virtual void Fail(const Refusal& why) noexcept = 0;

  Status State() const noexcept { return status_.load(std::memory_order_acquire); }
  /// Of one that parks. Requires: State() == kDelivered.
  Slot& Given() const noexcept { return *slot_; }
  /// Of one that parks. Requires: State() == kFailed.
  Cause FailedBecause() const noexcept { return cause_; }
  TimePoint Since() const noexcept { return since_; }

 private:
  friend class Core;
  friend class WaiterQueue;
  friend class Deliveries;
  std::atomic<Status> status_{Status::kOutside};
  std::atomic<bool> knocked_{false};  // told to come and look, and has not yet
  Cause cause_ = Cause::kNone;
  Parker* parker_ = nullptr;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
  Slot* slot_ = nullptr;
  TimePoint since_{};
  std::source_location where_{};
};

/// An intrusive FIFO of waiters.
/// Thread safety: none but Size.
class WaiterQueue {
 public:
  bool Empty() const noexcept { return head_ == nullptr; }
  Waiter& Front() const noexcept { return *head_; }
  Waiter& Back() const noexcept { return *tail_; }
  std::size_t Size() const noexcept { return size_.load(std::memory_order_relaxed); }
  void Push(Waiter& waiter) noexcept;
  void Remove(Waiter& waiter) noexcept;

 private:
  Waiter* head_ = nullptr;
  Waiter* tail_ = nullptr;
  std::atomic<std::size_t> size_{0};
};

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/bench/baseline_pool.hpp"
#include "libperf/pool/resource.hpp"

namespace perf::bench {

/// The textbook's fair pool: one mutex, a queue of waiters with a condition variable each, and what
/// comes back is handed to the oldest of them.
/// Thread safety: all methods. Lifetime: outlives its loans.
class BaselineFifo : public BaselinePool<BaselineFifo> {
 public:
  explicit BaselineFifo(Resources resources) : BaselinePool(std::move(resources)) {}

  /// Empty when the deadline passed.
  Loan Acquire(Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (!free_.empty()) {  // then nobody waits: what comes back goes to them first
      std::unique_ptr<pool::Resource> resource = std::move(free_.back());
      free_.pop_back();
      return Loan(*this, std::move(resource));
    }
    Waiter waiter;
    waiters_.push_back(&waiter);
    waiter.given.wait_until(lock, deadline.At(), [&] { return waiter.resource != nullptr; });
    if (waiter.resource) return Loan(*this, std::move(waiter.resource));
    std::erase(waiters_, &waiter);
    return {};
  }

  std::uint64_t OvertakenMost() const { return 0; }  // by construction

 private:
  friend class BaselinePool<BaselineFifo>;
  struct Waiter {
    std::condition_variable given;
    std::unique_ptr<pool::Resource> resource;
  };

  void Release(std::unique_ptr<pool::Resource> resource) {
    if (!resource->Reusable()) return;
    const std::lock_guard lock(mutex_);
    if (waiters_.empty()) {
      free_.push_back(std::move(resource));
      return;
    }
    Waiter* oldest = waiters_.front();
    waiters_.pop_front();
    oldest->resource = std::move(resource);
    // With the lock held: the waiter lives on its thread's stack and may be gone right after.
    oldest->given.notify_one();
  }

  std::deque<Waiter*> waiters_;
};

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/bench/baseline_pool.hpp"
#include "libperf/pool/resource.hpp"

namespace perf::bench {

/// The pool that most C++ programs carry: one mutex, one condition variable, a deque of what is
/// free. Whoever comes first takes it, also before those who wait (barging).
/// Thread safety: all methods. Lifetime: outlives its loans.
class BaselineMutex : public BaselinePool<BaselineMutex> {
 public:
  explicit BaselineMutex(Resources resources) : BaselinePool(std::move(resources)) {}

  /// Empty when the deadline passed.
  Loan Acquire(Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (free_.empty() && !Wait(lock, deadline)) return {};
    ++granted_;
    // The newest: its cache lines are the warmest.
    std::unique_ptr<pool::Resource> resource = std::move(free_.back());
    free_.pop_back();
    return Loan(*this, std::move(resource));
  }

  /// At least so often was somebody overtaken during one wait.
  std::uint64_t OvertakenMost() const {
    const std::lock_guard lock(mutex_);
    return overtaken_most_;
  }

 private:
  friend class BaselinePool<BaselineMutex>;
  bool Wait(std::unique_lock<std::mutex>& lock, Deadline deadline) {
    const std::uint64_t granted_before = granted_;
    const std::uint64_t waiting_before = waiting_++;
    const bool came = changed_.wait_until(lock, deadline.At(), [&] { return !free_.empty(); });
    --waiting_;
    // Of those served meanwhile only the ones who waited already may have come earlier.
    const std::uint64_t served = granted_ - granted_before;
    if (served > waiting_before) {
      overtaken_most_ = std::max(overtaken_most_, served - waiting_before);
    }
    return came;
  }

  void Release(std::unique_ptr<pool::Resource> resource) {
    if (!resource->Reusable()) return;
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(resource));
    }
    // Without the lock: whoever wakes up would only stop at it again.
    changed_.notify_one();
  }

  std::condition_variable changed_;
  std::uint64_t granted_ = 0;
  std::uint64_t waiting_ = 0;
  std::uint64_t overtaken_most_ = 0;
};

}  // namespace perf::bench

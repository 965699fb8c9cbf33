// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace perf::metrics {

/// A total that only grows; 8 bytes, one atomic.
/// Thread safety: all methods. Hot path: no allocation, no lock.
class Counter {
 public:
  void Add(std::uint64_t count = 1) noexcept { count_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t Value() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

/// A value that goes up and down; 8 bytes, one atomic.
/// Thread safety: all methods. Hot path: no allocation, no lock.
class Gauge {
 public:
  void Set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void Add(double more) noexcept {
    double value = value_.load(std::memory_order_relaxed);
    while (!value_.compare_exchange_weak(value, value + more, std::memory_order_relaxed)) {
    }
  }
  /// Keeps the greatest value set: for peaks between scrapes (see Take).
  void SetMax(double value) noexcept {
    double old = value_.load(std::memory_order_relaxed);
    while (old < value && !value_.compare_exchange_weak(old, value, std::memory_order_relaxed)) {
    }
  }
  /// The value, which becomes `next`.
  double Take(double next) noexcept { return value_.exchange(next, std::memory_order_relaxed); }
  double Value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

static_assert(sizeof(Counter) == 8 && sizeof(Gauge) == 8);
static_assert(std::atomic<double>::is_always_lock_free);

}  // namespace perf::metrics

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "libperf/cache/time_source.hpp"

namespace perf::cache {

/// Numbers writes so that newer ones are greater: wall microseconds in the upper 52 bits, and 12
/// bits that tell processes apart; a hybrid logical clock (Kulkarni et al., 2014), so it goes on
/// while the wall clock steps back, and past whatever stamp was seen from elsewhere.
/// Thread safety: all methods.
class StampClock {
 public:
  /// `salt`: any number that differs between processes.
  StampClock(const TimeSource& time, std::uint64_t salt) noexcept
      : time_(time), salt_(salt & kSaltMask) {}

  /// Greater than all before it and all that were seen; never 0.
  std::uint64_t Next() noexcept {
    const auto wall = static_cast<std::uint64_t>(time_.WallMicros()) << kSaltBits;
    std::uint64_t last = last_.load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
      const std::uint64_t after = (last | kSaltMask) + 1;
      next = (wall > after ? wall : after) | salt_;
    } while (!last_.compare_exchange_weak(last, next, std::memory_order_relaxed));
    return next;
  }
  /// A stamp of another process: ours will be greater.
  void Seen(std::uint64_t stamp) noexcept {
    if (stamp >= kAbsurd) return;
    std::uint64_t last = last_.load(std::memory_order_relaxed);
    while (last < stamp && !last_.compare_exchange_weak(last, stamp, std::memory_order_relaxed)) {
    }
  }

 private:
  static constexpr int kSaltBits = 12;
  static constexpr std::uint64_t kSaltMask = (1U << kSaltBits) - 1;
  /// One bad neighbour must not bring all stamps to their end.
  static constexpr std::uint64_t kAbsurd = 1ULL << 63;

  const TimeSource& time_;
  const std::uint64_t salt_;
  std::atomic<std::uint64_t> last_{0};
};

}  // namespace perf::cache

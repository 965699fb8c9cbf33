// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "libperf/cache/memory/slots.hpp"

namespace perf::cache {

/// A hierarchical timer wheel (Varghese and Lauck, SOSP 1987) over the slots of one shard: five
/// levels of 64 buckets, the finest of 17 ms. An entry leaves it when it leaves the cache,
/// so its memory does not depend on what was written before. Times are nanoseconds of perf::Clock.
/// Thread safety: none, the shard locks.
class TimerWheel {
 public:
  explicit TimerWheel(SlotTable& slots) noexcept;

  /// Requires: the slot is not linked. Does nothing for kNeverExpires.
  void Link(Slot slot, std::int64_t deadline) noexcept;
  void Unlink(Slot slot) noexcept;
  /// Moves the time forward, never back; what may be due waits to be popped.
  void Advance(std::int64_t now) noexcept;
  /// A slot that may be due, unlinked, or kNoSlot.
  Slot Pop() noexcept;
  std::int64_t Now() const noexcept { return now_; }

 private:
  static constexpr unsigned kTickBits = 24;
  static constexpr unsigned kLevels = 5, kLevelBits = 6, kBuckets = 1U << kLevelBits;
  static constexpr std::uint32_t kDue = kLevels * kBuckets;

  void Append(Slot slot, std::uint32_t bucket) noexcept;
  void Collect(std::uint32_t bucket) noexcept;

  SlotTable& slots_;
  std::int64_t now_ = 0;
  struct Ends {
    std::uint32_t first, last;
  };
  std::array<Ends, kDue + 1> buckets_;
};

}  // namespace perf::cache

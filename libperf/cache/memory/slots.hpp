// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libperf/cache/memory/arena.hpp"
#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// What a shard keeps for each slot.
struct SlotRecord {
  EntryRef ref = 0;              // 0: free
  std::uint32_t previous = 0;    // in the timer wheel
  std::uint32_t next = kNoSlot;  // there, or the next free slot
};

/// The slots of one shard, in pages, so that growing copies nothing; numbers stay small because
/// free ones are used again first.
/// Thread safety: none, the shard locks.
class SlotTable {
 public:
  SlotRecord& operator[](Slot slot) noexcept { return pages_[slot >> kBits][slot & kMask]; }
  /// One past the greatest that was ever taken.
  Slot End() const noexcept { return end_; }
  std::size_t Bytes() const noexcept { return pages_.size() * sizeof(SlotRecord) << kBits; }

  Slot Take() {
    if (free_ != kNoSlot) {
      const Slot slot = free_;
      free_ = (*this)[slot].next;
      (*this)[slot] = SlotRecord{};
      return slot;
    }
    if ((end_ & kMask) == 0) pages_.push_back(std::make_unique<SlotRecord[]>(1U << kBits));
    return end_++;
  }
  void Free(Slot slot) noexcept {
    (*this)[slot] = SlotRecord{0, 0, free_};
    free_ = slot;
  }

 private:
  static constexpr unsigned kBits = 8;
  static constexpr Slot kMask = (1U << kBits) - 1;

  std::vector<std::unique_ptr<SlotRecord[]>> pages_;
  Slot end_ = 0;
  Slot free_ = kNoSlot;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "libperf/audio/slab/mapping.hpp"
#include "libperf/audio/slab/slot_map.hpp"
#include "libperf/audio/slab/thread_number.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// Slots of one size, side by side in one range of addresses, named by their number. Each thread
/// keeps a few in a magazine, newest first (Bonwick and Adams, "Magazines and Vmem", USENIX 2001),
/// and exchanges half of it at a time with a map shared by all, which gives the lowest slots first:
/// so what lives drifts down, and the pages above can be given back.
/// Thread safety: all methods; Take and Give are lock-free and allocate nothing.
class PERF_EXPORT SlotPool {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  /// Room in a queue's entry for a number.
  static constexpr std::uint32_t kMostSlots = std::uint32_t{1} << 25;
  /// Slots that may lie in magazines, beyond those in use.
  static constexpr std::uint32_t kMagazineSlots = 62;
  static constexpr std::uint32_t kSpare = kMagazineSlots * ThreadNumber::kThreads;

  /// `stride`: bytes from one slot to the next. Requires: slots <= kMostSlots. Throws: IoError.
  SlotPool(std::uint32_t stride, std::uint32_t slots);
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  /// kNone when all are in use. Its content is undefined.
  std::uint32_t Take() noexcept {
    Magazine& mine = magazines_[ThreadNumber::Mine()];
    return mine.count > 0 ? mine.slots[--mine.count] : Refill(mine);
  }
  void Give(std::uint32_t slot) noexcept {
    Magazine& mine = magazines_[ThreadNumber::Mine()];
    if (mine.count < mine.limit && slot < ceiling_.load(std::memory_order_relaxed)) {
      mine.slots[mine.count++] = slot;
    } else {
      Flush(mine, slot);
    }
  }
  std::byte* At(std::uint32_t slot) const noexcept { return base_ + std::size_t{slot} * stride_; }
  std::uint32_t NumberOf(const std::byte* at) const noexcept {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(at - base_) / stride_);
  }

  std::uint32_t Stride() const noexcept { return stride_; }
  std::uint32_t Slots() const noexcept { return map_.Slots(); }
  /// In use or in a magazine.
  std::size_t TakenBytes() const noexcept;
  /// Pages that were written and not given back since, as bytes.
  std::size_t ResidentBytes() const noexcept;
  /// While memory is to be given back, slots above `slots` do not go to magazines, from where they
  /// would be taken again at once: so what lives drifts down. kNone: all may go there.
  void SetCeiling(std::uint32_t slots) noexcept {
    ceiling_.store(slots, std::memory_order_relaxed);
  }
  /// Gives pages back on which no slot is taken, the highest first, until `bytes` are; returns how
  /// many were.
  std::size_t Trim(std::size_t bytes) noexcept;

 private:
  struct alignas(64) Magazine {
    std::uint32_t count = 0;
    std::uint32_t limit = kMagazineSlots;  // 0: of the threads that have none
    std::array<std::uint32_t, kMagazineSlots> slots;
  };
  using Word = std::atomic<std::uint64_t>;

  std::uint32_t Refill(Magazine& mine) noexcept;
  void Flush(Magazine& mine, std::uint32_t slot) noexcept;
  void MarkResident(std::uint32_t slot) noexcept;
  bool IsResident(std::size_t page) const noexcept;
  std::uint32_t FirstOn(std::size_t page) const noexcept;
  std::uint32_t LastOn(std::size_t page) const noexcept;
  std::size_t Release(std::size_t first_page, std::size_t last_page) noexcept;

  std::byte* base_;
  std::uint32_t stride_;
  std::uint32_t page_shift_;
  std::atomic<std::uint32_t> ceiling_{kNone};
  Mapping memory_;
  Mapping resident_words_;
  Word* resident_;  // a bit a page
  SlotMap map_;
  alignas(64) std::atomic<std::size_t> taken_{0};
  std::atomic<std::size_t> resident_pages_{0};
  std::atomic<std::size_t> highest_page_{0};  // ever written
  std::array<Magazine, ThreadNumber::kThreads + 1> magazines_;
};

}  // namespace perf::audio

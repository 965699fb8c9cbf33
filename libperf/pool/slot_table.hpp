// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>

#include "libperf/base/export.hpp"
#include "libperf/pool/slot.hpp"

namespace perf::pool {

/// A pool's slots: chunks that double in size and never move, so that a pool can grow under the
/// eyes of those who look through it.
/// Thread safety: all but Grow, which the core calls with its mutex held.
class PERF_EXPORT SlotTable {
 public:
  explicit SlotTable(std::size_t first);
  /// Room for `size` slots at least.
  void Grow(std::size_t size);
  /// The first idle one in the order of slots, now `to`; null if none was seen. Low slots first, so
  /// that the high ones grow old when fewer are needed.
  Slot* ClaimIdle(SlotState to) noexcept;
  Slot* ClaimEmpty() noexcept;  // now kDialling
  static bool Claim(Slot& slot, SlotState from, SlotState to) noexcept {
    return slot.state_.load(std::memory_order_seq_cst) == from &&
           slot.state_.compare_exchange_strong(from, to, std::memory_order_seq_cst,
                                               std::memory_order_relaxed);
  }
  std::size_t Size() const noexcept { return size_.load(std::memory_order_acquire); }

  /// Calls `look(slot)` for each until it returns true; that slot, or null.
  template <typename Look>
  Slot* Find(Look&& look) const {
    std::size_t left = Size();
    for (std::size_t chunk = 0; left > 0; ++chunk) {
      const std::size_t count = std::min(left, first_ << chunk);
      for (std::size_t i = 0; i < count; ++i) {
        if (look(chunks_[chunk][i])) return &chunks_[chunk][i];
      }
      left -= count;
    }
    return nullptr;
  }
  template <typename Look>
  void ForEach(Look&& look) const {
    Find([&](Slot& slot) {
      look(slot);
      return false;
    });
  }

 private:
  std::size_t first_;
  std::array<std::unique_ptr<Slot[]>, 40> chunks_;
  std::atomic<std::size_t> size_{0};
};

/// Idle slots by age, for a core that one thread uses: newest first out, oldest first to go.
/// Thread safety: none.
class IdleList {
 public:
  Slot* Newest() const noexcept { return newest_; }
  Slot* Oldest() const noexcept { return oldest_; }
  void Push(Slot& slot) noexcept {
    slot.older_ = newest_;
    slot.newer_ = nullptr;
    (newest_ != nullptr ? newest_->newer_ : oldest_) = &slot;
    newest_ = &slot;
  }
  /// At its place by age.
  void Insert(Slot& slot) noexcept {
    const TimePoint since = Slot::Load(slot.idle_since_);
    Slot* next = oldest_;
    while (next != nullptr && Slot::Load(next->idle_since_) <= since) next = next->newer_;
    if (next == nullptr) return Push(slot);
    slot.newer_ = next;
    slot.older_ = next->older_;
    (slot.older_ != nullptr ? slot.older_->newer_ : oldest_) = &slot;
    next->older_ = &slot;
  }
  void Remove(Slot& slot) noexcept {
    (slot.newer_ != nullptr ? slot.newer_->older_ : newest_) = slot.older_;
    (slot.older_ != nullptr ? slot.older_->newer_ : oldest_) = slot.newer_;
  }

 private:
  Slot* newest_ = nullptr;
  Slot* oldest_ = nullptr;
};

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>

#include "libperf/pool/core_hidden.hpp"

// The short parts of Core's hot paths.
namespace perf::pool {
namespace detail {

/// What this thread took last, of a few pools at a time; never looked into before the pool's
/// number matches, which no other pool gets.
struct Hint {
  std::uint64_t pool;
  Slot* slot;
};
inline constexpr std::size_t kHints = 4;
// Without the model each look would be a call into the dynamic linker.
__attribute__((tls_model("initial-exec"))) inline constinit thread_local Hint hints[kHints] = {};

}  // namespace detail

/// Claims an idle slot for a borrower.
inline Slot* Core::Pick() noexcept {
  if (!Shared()) {
    Slot* newest = idle_.Newest();
    if (newest == nullptr) return nullptr;
    idle_.Remove(*newest);
    newest->state_.store(SlotState::kInUse, std::memory_order_relaxed);
    in_use_.store(in_use_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return newest;
  }
  detail::Hint& hint = detail::hints[id_ % detail::kHints];
  if (hint.pool == id_ && SlotTable::Claim(*hint.slot, SlotState::kIdle, SlotState::kInUse)) {
    return hint.slot;
  }
  Slot* slot = table_.ClaimIdle(SlotState::kInUse);
  if (slot != nullptr) hint = detail::Hint{id_, slot};
  return slot;
}

inline void Core::Lend(Slot& slot, TimePoint now, Where where) noexcept {
  Slot::Store(slot.borrowed_at_, now);
  slot.where_.store(where, std::memory_order_relaxed);
  Slot::Add(slot.acquired_);
  if (Shared()) {
    // A return that does not know the time leaves this as it is: then one that was held for
    // longer than validate_after is looked at although it was not idle for so long.
    Slot::Store(slot.check_at_,
                std::min(Saturated(now, validate_after_), Slot::Load(slot.dies_at_)));
    return;
  }
  const std::size_t in_use = in_use_.load(std::memory_order_relaxed);
  if (in_use > most_in_use_.load(std::memory_order_relaxed)) {
    most_in_use_.store(in_use, std::memory_order_relaxed);
  }
}

inline void Core::Stamp(Slot& slot, TimePoint now) noexcept {
  if (now == TimePoint{}) return Slot::Store(slot.touched_at_, now);
  if (!slot.pinging_) Slot::Store(slot.idle_since_, now);
  Slot::Store(slot.touched_at_, now);
  Slot::Store(slot.check_at_, std::min(Saturated(now, validate_after_), Slot::Load(slot.dies_at_)));
}

/// Lets go of a slot; the core's word as it was after that. Of a return and a waiter that come at
/// the same time at least one sees the other: both store first and load then, with a full barrier
/// between, or here with none where SetFlags has a heavy one.
inline std::uint64_t Core::PutIdle(Slot& slot) noexcept {
  if (Shared()) {
    slot.pinging_ = false;
    if (light_returns_) {
      slot.state_.store(SlotState::kIdle, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      slot.state_.exchange(SlotState::kIdle, std::memory_order_seq_cst);
    }
    return word_.load(std::memory_order_seq_cst);
  }
  std::exchange(slot.pinging_, false) ? idle_.Insert(slot) : idle_.Push(slot);
  slot.state_.store(SlotState::kIdle, std::memory_order_relaxed);
  in_use_.store(in_use_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  return word_.load(std::memory_order_relaxed);
}

/// TryTake and ReturnQuickly of a core that threads share, in line. What happens between claiming
/// and letting go counts most: with more threads than processors, whoever is stopped in between
/// keeps a resource from the others, and the shorter it is the fewer ever have to wait.
inline Slot* Core::TakeShared(TimePoint now, Where where) {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  if ((word & kNoTake) != 0 || process_.Forked()) return nullptr;
  const detail::Hint& hint = detail::hints[id_ % detail::kHints];
  if (hint.pool == id_ && SlotTable::Claim(*hint.slot, SlotState::kIdle, SlotState::kInUse)) {
    Slot& slot = *hint.slot;
    const bool fresh = now < Slot::Load(slot.check_at_) && slot.epoch_ == (word & kEpochMask);
    if (fresh || Fit(slot, now)) {
      Lend(slot, now, where);
      return &slot;
    }
  }
  return TakeIdle(now, where, word);
}

/// TryBarge, in line as far as the oldest waiter is in its grace.
inline Slot* Core::BargeShared(TimePoint now, Where where) {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  const detail::Hint& hint = detail::hints[id_ % detail::kHints];
  if ((word & (kPaused | kClosed)) == 0 && hint.pool == id_ &&
      now.time_since_epoch().count() < hidden_->head_due.load(std::memory_order_acquire) &&
      !process_.Forked() && SlotTable::Claim(*hint.slot, SlotState::kIdle, SlotState::kInUse)) {
    Slot& slot = *hint.slot;
    const bool fresh = now < Slot::Load(slot.check_at_) && slot.epoch_ == (word & kEpochMask);
    if (fresh || Fit(slot, now)) {
      Lend(slot, now, where);
      if ((word & kWaiting) != 0) Slot::Add(slot.overtakes_);
      return &slot;
    }
  }
  return TryBarge(now, where);
}

inline Core::Quickly Core::ReturnShared(Slot& slot) {
  if (process_.Forked()) return Quickly::kDone;
  const std::uint64_t epoch = slot.epoch_;
  if ((word_.load(std::memory_order_relaxed) & kReturnMask) != epoch || slot.broken_ ||
      !slot.resource_->Reusable()) {
    return Quickly::kNotYet;
  }
  Stamp(slot, TimePoint{});
  const std::uint64_t word = PutIdle(slot);
  // From here on the slot may be another's.
  return (word & kReturnMask) == epoch ? Quickly::kDone : SweepLater(word ^ epoch);
}

}  // namespace perf::pool

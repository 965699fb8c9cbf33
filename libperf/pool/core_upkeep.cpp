// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "libperf/pool/core_inline.hpp"

// The part of Core that looks after the idle, and at the borrowed.
namespace perf::pool {
namespace {
constexpr std::size_t kLeaksKept = 64;
constexpr Duration kUpkeepLeast = std::chrono::milliseconds(1);
constexpr Duration kPeakTurn = std::chrono::seconds(30);
}  // namespace

void Core::Reap(TimePoint now) {
  if (process_.Forked()) return;
  Hidden& hidden = *hidden_;
  std::size_t keep = 0;
  Duration timeout{};
  Duration leak_after{};
  {
    const Section section(*this);
    const Limits& limits = hidden.limits;
    std::size_t used = hidden.queue.Size();
    table_.ForEach([&](const Slot& slot) {
      used += slot.state_.load(std::memory_order_relaxed) == SlotState::kInUse ? 1 : 0;
    });
    if (now >= hidden.peak_turn + kPeakTurn) {
      hidden.peak_before = std::exchange(hidden.peak_now, 0);
      hidden.peak_turn = now;
    }
    hidden.peak_now = std::max(hidden.peak_now, used);
    keep = limits.min;
    if (limits.adaptive) keep = std::max({keep, hidden.peak_now, hidden.peak_before});
    // An adaptive pool keeps what the last minute's peak needed, and nothing beyond it.
    timeout =
        limits.adaptive ? std::min<Duration>(limits.idle_timeout, kPeakTurn) : limits.idle_timeout;
    leak_after = limits.leak_after;
  }
  table_.ForEach([&](Slot& slot) {
    if (slot.state_.load(std::memory_order_relaxed) != SlotState::kIdle) return;
    if (Slot::Load(slot.touched_at_) != TimePoint{}) return;
    Slot::Store(slot.idle_since_, now);
    Slot::Store(slot.touched_at_, now);
  });
  ReapAged(now);
  if (timeout > Duration::zero()) ReapIdle(now, timeout, keep);
  if (leak_after > Duration::zero()) FindLeaks(now, leak_after);
  Sweep(now);
}

/// Those past their lifetime go, whatever `min` says: they are replaced.
void Core::ReapAged(TimePoint now) {
  table_.ForEach([&](Slot& slot) {
    if (slot.state_.load(std::memory_order_relaxed) != SlotState::kIdle ||
        now < Slot::Load(slot.dies_at_) || !ClaimForPool(slot)) {
      return;
    }
    now >= Slot::Load(slot.dies_at_) ? Bury(slot, &Statistics::aged) : LeaveIdle(slot, now);
  });
}

/// Oldest first, down to `keep`.
void Core::ReapIdle(TimePoint now, Duration timeout, std::size_t keep) {
  while (hidden_->open.load(std::memory_order_relaxed) > keep) {
    Slot* oldest = nullptr;
    table_.ForEach([&](Slot& slot) {
      if (slot.state_.load(std::memory_order_relaxed) == SlotState::kIdle &&
          Slot::Load(slot.touched_at_) != TimePoint{} &&
          (oldest == nullptr || Slot::Load(slot.idle_since_) < Slot::Load(oldest->idle_since_))) {
        oldest = &slot;
      }
    });
    if (oldest == nullptr || now - Slot::Load(oldest->idle_since_) < timeout) return;
    if (!ClaimForPool(*oldest)) continue;
    if (Slot::Load(oldest->touched_at_) != TimePoint{} &&
        now - Slot::Load(oldest->idle_since_) >= timeout) {
      Bury(*oldest, &Statistics::expired);
    } else {
      LeaveIdle(*oldest, now);  // it was used in between
    }
  }
}

/// Puts back what ClaimForPool took, as old as it was.
void Core::LeaveIdle(Slot& slot, TimePoint now) {
  const std::uint64_t epoch = slot.epoch_;
  slot.pinging_ = true;
  const std::uint64_t word = PutIdle(slot);
  if ((word & kReturnMask) != epoch) Attend(now);
}

void Core::FindLeaks(TimePoint now, Duration after) {
  table_.ForEach([&](Slot& slot) {
    if (slot.state_.load(std::memory_order_acquire) != SlotState::kInUse) return;
    const std::uint64_t loan = slot.acquired_.load(std::memory_order_relaxed);
    const Holder holder{slot.where_.load(std::memory_order_relaxed),
                        now - Slot::Load(slot.borrowed_at_)};
    if (holder.age < after || slot.leak_reported_.load(std::memory_order_relaxed) == loan) return;
    slot.leak_reported_.store(loan, std::memory_order_relaxed);
    const Section section(*this);
    ++hidden_->totals.leaks_detected;
    if (hidden_->leaks.size() < kLeaksKept) hidden_->leaks.push_back(holder);
  });
}

std::vector<Holder> Core::TakeLeaks() {
  const Section section(*this);
  return std::exchange(hidden_->leaks, {});
}

std::vector<Holder> Core::Holders(TimePoint now, Duration than) const {
  std::vector<Holder> holders;
  table_.ForEach([&](const Slot& slot) {
    if (slot.state_.load(std::memory_order_acquire) != SlotState::kInUse) return;
    const Holder holder{slot.where_.load(std::memory_order_relaxed),
                        now - Slot::Load(slot.borrowed_at_)};
    if (holder.age >= than) holders.push_back(holder);
  });
  std::sort(holders.begin(), holders.end(),
            [](const Holder& a, const Holder& b) { return a.age > b.age; });
  return holders;
}

TimePoint Core::NextUpkeep(TimePoint now) const {
  TimePoint next = now + UpkeepPeriod();
  table_.ForEach([&](const Slot& slot) {
    if (slot.state_.load(std::memory_order_relaxed) != SlotState::kIdle) return;
    next = std::min(next, Slot::Load(slot.dies_at_));
  });
  return std::max(next, now + kUpkeepLeast);
}

Duration Core::UpkeepPeriod() const {
  const Limits limits = Bounds();
  Duration period = std::chrono::seconds(1);
  const auto often = [&](Duration length, int times) {
    if (length > Duration::zero()) period = std::min(period, length / times);
  };
  often(limits.leak_after, 4);
  often(limits.keepalive, 4);
  often(limits.idle_timeout, 4);
  often(limits.max_lifetime, 500);
  return std::max<Duration>(period, std::chrono::milliseconds(10));
}

Slot* Core::TakeForPing(TimePoint now) {
  if (process_.Forked()) return nullptr;
  const Duration keepalive = Bounds().keepalive;
  if (keepalive <= Duration::zero()) return nullptr;
  const auto due = [&](const Slot& slot) {
    return Slot::Load(slot.touched_at_) != TimePoint{} &&
           now - Slot::Load(slot.touched_at_) >= keepalive;
  };
  return table_.Find([&](Slot& slot) {
    if (slot.state_.load(std::memory_order_relaxed) != SlotState::kIdle || !due(slot) ||
        !ClaimForPool(slot)) {
      return false;
    }
    slot.pinging_ = true;
    if (due(slot)) return true;
    LeaveIdle(slot, now);
    return false;
  });
}

void Core::MarkBusy(Slot& slot) noexcept {
  slot.state_.store(SlotState::kBusy, std::memory_order_release);
}

void Core::Invalidate(TimePoint now) {
  if (process_.Forked()) return;
  {
    const Section section(*this);
    SetFlags(kEpochMask, (word_.load(std::memory_order_relaxed) & kEpochMask) + kEpoch);
  }
  Sweep(now);
  Attend(now);
}

void Core::CloseIdle() noexcept {
  if (process_.Forked()) return;
  table_.ForEach([&](Slot& slot) {
    if (ClaimForPool(slot)) Bury(slot, nullptr);
  });
}

/// Buries the idle ones that may not stay: of an old epoch, beyond max, all of a closed pool.
void Core::Sweep(TimePoint now) {
  table_.ForEach([&](Slot& slot) {
    if (slot.state_.load(std::memory_order_relaxed) != SlotState::kIdle || !ClaimForPool(slot)) {
      return;
    }
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kClosed) != 0) {
      Bury(slot, nullptr);
    } else if (slot.epoch_ != (word & kEpochMask)) {
      Bury(slot, &Statistics::invalidated);
    } else if ((word & kExcess) != 0 && TakeExcess()) {
      Bury(slot, &Statistics::shrunk);
    } else {
      LeaveIdle(slot, now);
    }
  });
}

/// Whether one of those beyond max is the caller's to bury.
bool Core::TakeExcess() {
  const Section section(*this);
  Hidden& hidden = *hidden_;
  if (hidden.open.load(std::memory_order_relaxed) - hidden.dying <= hidden.limits.max) return false;
  ++hidden.dying;
  OpenChanged();
  return true;
}

void Core::Resize(std::size_t min, std::size_t max, TimePoint now) {
  if (process_.Forked()) return;
  {
    const Section section(*this);
    hidden_->limits.min = min;
    hidden_->limits.max = max;
    table_.Grow(max);
    OpenChanged();
  }
  Sweep(now);
  Attend(now);
}

}  // namespace perf::pool

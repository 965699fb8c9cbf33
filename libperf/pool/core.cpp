// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/core.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "libperf/base/heavy_barrier.hpp"
#include "libperf/pool/core_inline.hpp"

namespace perf::pool {
namespace {

std::uint64_t NextId() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Core::Core(Limits limits, std::uint64_t seed, Sharing sharing, std::string name)
    : sharing_(sharing),
      bounded_(limits.fairness == Fairness::kBounded),
      light_returns_(sharing == Sharing::kThreads && HeavyBarrier::Works()),
      id_(NextId()),
      validate_after_(limits.validate_after),
      table_(std::max<std::size_t>(16, limits.max)),
      hidden_(std::make_unique<Hidden>(limits, seed)),
      name_(std::move(name)) {
  table_.Grow(limits.max);
  OpenChanged();
}

Core::~Core() {
  if (process_.Forked()) {
    // The parent uses these connections: closing them here would say good-bye in its name.
    table_.ForEach([](Slot& slot) { static_cast<void>(slot.resource_.release()); });
    return;
  }
  assert(hidden_->queue.Empty() && "waiters must be gone before their pool");
}

Slot* Core::TryTake(TimePoint now, Where where) {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  if ((word & kNoTake) != 0 || process_.Forked()) return nullptr;
  return TakeIdle(now, where, word);
}

Slot* Core::TryBarge(TimePoint now, Where where) {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  if ((word & (kPaused | kClosed)) != 0 || process_.Forked()) return nullptr;
  if ((word & kWaiting) == 0) return TakeIdle(now, where, word);
  if (!bounded_) return nullptr;
  const bool in_grace =
      now.time_since_epoch().count() < hidden_->head_due.load(std::memory_order_acquire);
  if (!in_grace) {
    std::atomic<int>& left = hidden_->overtakes_left;
    if (left.load(std::memory_order_relaxed) <= 0 ||
        left.fetch_sub(1, std::memory_order_acq_rel) <= 0) {
      return nullptr;
    }
  }
  Slot* slot = TakeIdle(now, where, word);
  if (slot != nullptr) Slot::Add(slot->overtakes_);
  return slot;
}

Slot* Core::TakeIdle(TimePoint now, Where where, std::uint64_t word) {
  for (;;) {
    Slot* slot = Pick();
    if (slot == nullptr) return nullptr;
    const bool fresh = now < Slot::Load(slot->check_at_) && slot->epoch_ == (word & kEpochMask);
    if (fresh || Fit(*slot, now)) {
      Lend(*slot, now, where);
      return slot;
    }
  }
}

/// Whether a claimed slot that lay idle for a while can be lent; buries it otherwise.
bool Core::Fit(Slot& slot, TimePoint now) {
  slot.state_.store(SlotState::kBusy, std::memory_order_relaxed);
  const std::uint64_t epoch = word_.load(std::memory_order_acquire) & kEpochMask;
  std::uint64_t Statistics::* why = nullptr;
  if (slot.epoch_ != epoch) {
    why = &Statistics::invalidated;
  } else if (now >= Slot::Load(slot.dies_at_)) {
    why = &Statistics::aged;
  } else if (now >= Slot::Load(slot.check_at_) && !slot.resource_->Alive()) {
    why = &Statistics::discarded;
  }
  if (why != nullptr) {
    Bury(slot, why);
    return false;
  }
  slot.state_.store(SlotState::kInUse, std::memory_order_relaxed);
  return true;
}

Core::Quickly Core::ReturnQuickly(Slot& slot, TimePoint now) {
  if (process_.Forked()) return Quickly::kDone;
  const std::uint64_t epoch = slot.epoch_;
  if ((word_.load(std::memory_order_relaxed) & kReturnMask) != epoch || slot.broken_ ||
      now >= Slot::Load(slot.dies_at_) || !slot.resource_->Reusable()) {
    return Quickly::kNotYet;
  }
  Stamp(slot, now);
  const std::uint64_t word = PutIdle(slot);
  // From here on the slot may be another's.
  return (word & kReturnMask) == epoch ? Quickly::kDone : SweepLater(word ^ epoch);
}

/// After a return that found the core's word `changed`: what Attend will have to do.
Core::Quickly Core::SweepLater(std::uint64_t changed) noexcept {
  if ((changed & (kEpochMask | kClosed | kExcess)) != 0) {
    hidden_->sweep_due.store(true, std::memory_order_relaxed);
  }
  return Quickly::kAttend;
}

void Core::Return(Slot& slot, TimePoint now) {
  switch (ReturnQuickly(slot, now)) {
    case Quickly::kDone: return;
    case Quickly::kAttend: Attend(now); return;
    case Quickly::kNotYet: break;
  }
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  if (slot.broken_ || !slot.resource_->Reusable()) {
    Bury(slot, &Statistics::discarded);
  } else if ((word & kClosed) != 0) {
    Bury(slot, nullptr);
  } else if (slot.epoch_ != (word & kEpochMask)) {
    Bury(slot, &Statistics::invalidated);
  } else if (now >= Slot::Load(slot.dies_at_)) {
    Bury(slot, &Statistics::aged);
  } else if ((word & kExcess) != 0 && TakeExcess()) {
    Bury(slot, &Statistics::shrunk);
  } else if (!Hand(slot, now)) {
    MakeIdle(slot, now);
  }
}

void Core::MakeIdle(Slot& slot, TimePoint now) {
  const std::uint64_t epoch = slot.epoch_;
  Stamp(slot, now);
  const std::uint64_t word = PutIdle(slot);
  if (((word ^ epoch) & (kEpochMask | kClosed | kExcess)) != 0) Sweep(now);
  if ((word & kReturnMask) != epoch) Attend(now);
}

void Core::Forward(Slot& slot, TimePoint now) {
  if (process_.Forked()) return;
  {
    const Section section(*this);
    ++hidden_->totals.forwarded;
  }
  Return(slot, now);
}

/// Claims an idle slot for the pool's own purposes.
bool Core::ClaimForPool(Slot& slot) noexcept {
  if (!SlotTable::Claim(slot, SlotState::kIdle, SlotState::kBusy)) return false;
  if (!Shared()) {
    idle_.Remove(slot);
    in_use_.store(in_use_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  return true;
}

/// Destroys the resource of a claimed or borrowed slot, and only then lets its place go, so that
/// there are never more than max.
void Core::Bury(Slot& slot, std::uint64_t Statistics::* why) {
  slot.state_.store(SlotState::kBusy, std::memory_order_relaxed);
  slot.resource_.reset();
  Deliveries out;
  {
    const Section section(*this);
    slot.broken_ = slot.pinging_ = false;
    slot.state_.store(SlotState::kEmpty, std::memory_order_release);
    hidden_->open.fetch_sub(1, std::memory_order_relaxed);
    if (!Shared())
      in_use_.store(in_use_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    if (why != nullptr) ++(hidden_->totals.*why);
    if (why == &Statistics::shrunk) --hidden_->dying;
    OpenChanged();
    CheckQuiet(out);
  }
  out.Tell(*this, TimePoint{});
}

}  // namespace perf::pool

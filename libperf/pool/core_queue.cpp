// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>

#include "libperf/base/heavy_barrier.hpp"
#include "libperf/pool/core_inline.hpp"

// The part of Core that deals with those who wait.
namespace perf::pool {

void WaiterQueue::Push(Waiter& waiter) noexcept {
  waiter.next_ = nullptr;
  waiter.previous_ = tail_;
  (tail_ != nullptr ? tail_->next_ : head_) = &waiter;
  tail_ = &waiter;
  size_.store(Size() + 1, std::memory_order_relaxed);
}

void WaiterQueue::Remove(Waiter& waiter) noexcept {
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : head_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : tail_) = waiter.previous_;
  waiter.next_ = waiter.previous_ = nullptr;
  size_.store(Size() - 1, std::memory_order_relaxed);
}

void Deliveries::Add(Waiter& waiter) noexcept {
  waiter.next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
}

void Deliveries::Add(Core::QuietWatch& watch) noexcept {
  watch.next_ = watches_;
  watches_ = &watch;
}

void Deliveries::Wake(Parker& parker) {
  if (parkers_used_ < parkers_.size()) {
    parkers_[parkers_used_++] = &parker;
  } else {
    more_parkers_.push_back(&parker);
  }
}

void Deliveries::Tell(const Core& core, TimePoint now) noexcept {
  for (std::size_t i = 0; i < parkers_used_; ++i) parkers_[i]->Wake();
  for (Parker* parker : more_parkers_) parker->Wake();
  Refusal why;
  for (Waiter* waiter = first_; waiter != nullptr;) {
    Waiter* next = waiter->next_;  // after the call it may be gone, or wait again
    if (waiter->State() == Waiter::Status::kDelivered) {
      waiter->Grant(*waiter->slot_);
    } else {
      if (why.cause != waiter->cause_) why = core.Explain(waiter->cause_, now);
      waiter->Fail(why);
    }
    waiter = next;
  }
  for (Core::QuietWatch* watch = watches_; watch != nullptr;) {
    Core::QuietWatch* next = watch->next_;
    watch->Quiet();
    watch = next;
  }
}

/// Sets those of `flags` to `values`; whether that changed anything. Mutex held.
bool Core::SetFlags(std::uint64_t flags, std::uint64_t values) noexcept {
  const std::uint64_t old = word_.load(std::memory_order_relaxed);
  const std::uint64_t next = (old & ~flags) | values;
  if (old == next) return false;
  word_.store(next, Shared() ? std::memory_order_seq_cst : std::memory_order_relaxed);
  // What returns must not miss: see PutIdle.
  if (light_returns_ && ((next & ~old) != 0)) HeavyBarrier::Pass();
  return true;
}

Cause Core::Enqueue(Waiter& waiter, TimePoint now, Where where) {
  if (process_.Forked()) return Cause::kForked;
  Hidden& hidden = *hidden_;
  Deliveries out;
  {
    const Section section(*this);
    const Cause cause = RefusesNow(now);
    if (cause != Cause::kNone) {
      ++hidden.totals.refused;
      return cause;
    }
    assert(waiter.State() != Waiter::Status::kWaiting);
    waiter.knocked_.store(false, std::memory_order_relaxed);
    // Never sooner than the one before: the bounds of kBounded count on the order of the queue.
    waiter.since_ = hidden.queue.Empty() ? now : std::max(now, hidden.queue.Back().since_);
    waiter.where_ = where;
    waiter.status_.store(Waiter::Status::kWaiting, std::memory_order_relaxed);
    if (hidden.queue.Empty()) hidden.plan.QueueChanged(false, now);
    hidden.queue.Push(waiter);
    Statistics& totals = hidden.totals;
    ++totals.waited;
    totals.most_waiting = std::max(totals.most_waiting, hidden.queue.Size());
    const std::size_t all = hidden.open.load(std::memory_order_relaxed) -
                            hidden.dialling.load(std::memory_order_relaxed);
    hidden.peak_now = std::max(hidden.peak_now, all);
    if (Shared()) totals.most_in_use = std::max(totals.most_in_use, all);
    Arrange(now, false, out);
  }
  Settle(out, now);
  return Cause::kNone;
}

bool Core::TryQueued(Waiter& waiter, TimePoint now) {
  if (waiter.State() != Waiter::Status::kWaiting) return true;
  if (!waiter.knocked_.load(std::memory_order_acquire)) return false;
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  Slot* slot = nullptr;
  if ((word & (kPaused | kClosed)) == 0) slot = TakeIdle(now, waiter.where_, word);
  bool surplus = false;
  Deliveries out;
  {
    const Section section(*this);
    if (waiter.State() != Waiter::Status::kWaiting) {
      surplus = slot != nullptr;  // it was given another one meanwhile
    } else {
      waiter.knocked_.store(false, std::memory_order_relaxed);
      if (slot != nullptr) {
        Unlink(waiter, now);
        waiter.slot_ = slot;
        waiter.status_.store(Waiter::Status::kDelivered, std::memory_order_relaxed);
      }
      Arrange(now, true, out);
    }
  }
  Settle(out, now);
  if (surplus) Return(*slot, now);
  return waiter.State() != Waiter::Status::kWaiting;
}

bool Core::Remove(Waiter& waiter, TimePoint now) noexcept {
  if (waiter.State() == Waiter::Status::kOutside) return true;
  Deliveries out;
  {
    const Section section(*this);
    if (waiter.State() != Waiter::Status::kWaiting) return false;
    Unlink(waiter, now);
    waiter.status_.store(Waiter::Status::kOutside, std::memory_order_relaxed);
    ++hidden_->totals.cancelled;
    // If it had been told of an idle one, the next in the queue is told now.
    Arrange(now, true, out);
  }
  Settle(out, now);
  return true;
}

void Core::Attend(TimePoint now) {
  std::atomic<bool>& sweep_due = hidden_->sweep_due;
  if (sweep_due.load(std::memory_order_relaxed) && sweep_due.exchange(false)) Sweep(now);
  Deliveries out;
  {
    const Section section(*this);
    Arrange(now, true, out);
  }
  Settle(out, now);
}

/// What follows an Arrange, without the mutex. An idle one that had to be looked at first is given
/// or buried; either way the next may be in the same case, and no return will come to report it.
void Core::Settle(Deliveries& out, TimePoint now) {
  out.Tell(*this, now);
  for (Slot* slot = out.to_check; slot != nullptr;) {
    if (Fit(*slot, now)) Return(*slot, now);
    Deliveries more;
    {
      const Section section(*this);
      Arrange(now, true, more);
    }
    more.Tell(*this, now);
    slot = more.to_check;
  }
}

/// Gives a slot straight to the oldest waiter, if it is the one to have it.
bool Core::Hand(Slot& slot, TimePoint now) {
  Deliveries out;
  {
    const Section section(*this);
    if ((word_.load(std::memory_order_relaxed) & (kPaused | kClosed)) != 0) return false;
    if (hidden_->queue.Empty() || !Direct(hidden_->queue.Front(), now)) return false;
    Waiter& oldest = hidden_->queue.Front();
    Unlink(oldest, now);
    Deliver(oldest, slot, now, out);
    Arrange(now, false, out);
  }
  out.Tell(*this, now);
  return true;
}

/// Whether what comes free is handed to the oldest waiter, instead of telling it to come. Keeps
/// the bounds of kBounded: a new allowance of overtakes begins only when the oldest waiter is in
/// its grace, that is, when none is left whose grace ended while the old allowance was used up.
bool Core::Direct(Waiter& head, TimePoint now) noexcept {
  Hidden& hidden = *hidden_;
  if (!bounded_ || head.parker_ == nullptr) return true;
  const TimePoint due = Saturated(head.since_, kOvertakingGrace);
  if (now < due) hidden.overtakes_left.store(kOvertakesMost, std::memory_order_release);
  hidden.head_due.store(due.time_since_epoch().count(), std::memory_order_release);
  return hidden.overtakes_left.load(std::memory_order_acquire) <= 0;
}

/// After any change of the queue, and after a slot became idle: gives the idle ones to the oldest
/// waiters, and says in the core's word what acquires and returns have to care for. `look`: look
/// for idle slots also where returns were obliged to report them already.
void Core::Arrange(TimePoint now, bool look, Deliveries& out) {
  GiveIdle(now, look, out);
  if (hidden_->queue.Empty()) SetFlags(kWaiting | kAttention, 0);
  CheckQuiet(out);
}

void Core::GiveIdle(TimePoint now, bool look, Deliveries& out) {
  WaiterQueue& queue = hidden_->queue;
  while (!queue.Empty()) {
    if ((word_.load(std::memory_order_relaxed) & kPaused) != 0) {
      SetFlags(kWaiting, kWaiting);
      return;
    }
    Waiter& head = queue.Front();
    const bool direct = Direct(head, now);
    if (!direct && head.knocked_.load(std::memory_order_relaxed)) {
      SetFlags(kWaiting | kAttention, kWaiting);
      return;
    }
    // First the flags, then the look: see PutIdle.
    if (!SetFlags(kWaiting | kAttention, kWaiting | kAttention) && !look) return;
    look = true;
    if (!direct) {
      const Slot* idle = table_.Find([](const Slot& slot) {
        return slot.state_.load(std::memory_order_seq_cst) == SlotState::kIdle;
      });
      if (idle == nullptr) return;
      head.knocked_.store(true, std::memory_order_release);
      SetFlags(kAttention, 0);
      out.Wake(*head.parker_);
      return;
    }
    Slot* slot = Pick();
    if (slot == nullptr) return;
    const bool fresh = now < Slot::Load(slot->check_at_) &&
                       slot->epoch_ == (word_.load(std::memory_order_relaxed) & kEpochMask);
    if (!fresh) {
      slot->state_.store(SlotState::kBusy, std::memory_order_relaxed);
      out.to_check = slot;
      return;
    }
    Unlink(head, now);
    Deliver(head, *slot, now, out);
  }
}

void Core::Deliver(Waiter& waiter, Slot& slot, TimePoint now, Deliveries& out) noexcept {
  slot.pinging_ = false;
  slot.state_.store(SlotState::kInUse, std::memory_order_relaxed);  // a dial's or ping's is kBusy
  Lend(slot, now, waiter.where_);
  waiter.slot_ = &slot;
  Parker* parker = waiter.parker_;
  // One that parks may be gone as soon as it sees this.
  waiter.status_.store(Waiter::Status::kDelivered, std::memory_order_release);
  parker != nullptr ? out.Wake(*parker) : out.Add(waiter);
}

void Core::Unlink(Waiter& waiter, TimePoint now) noexcept {
  Hidden& hidden = *hidden_;
  hidden.queue.Remove(waiter);
  if (bounded_ && waiter.parker_ != nullptr && now >= Saturated(waiter.since_, kOvertakingGrace)) {
    const int left =
        std::clamp(hidden.overtakes_left.load(std::memory_order_relaxed), 0, kOvertakesMost);
    hidden.totals.overtaken_most = std::max<std::uint64_t>(
        hidden.totals.overtaken_most, static_cast<std::uint64_t>(kOvertakesMost - left));
  }
  if (hidden.queue.Empty()) hidden.plan.QueueChanged(true, now);
}

void Core::FailAll(Cause cause, TimePoint now, Deliveries& out) noexcept {
  WaiterQueue& queue = hidden_->queue;
  while (!queue.Empty()) {
    Waiter& waiter = queue.Front();
    Unlink(waiter, now);
    waiter.cause_ = cause;
    Parker* parker = waiter.parker_;
    waiter.status_.store(Waiter::Status::kFailed, std::memory_order_release);
    parker != nullptr ? out.Wake(*parker) : out.Add(waiter);
  }
}

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "libperf/pool/core_inline.hpp"

// The part of Core that stops it, and says how it is.
namespace perf::pool {

Cause Core::RefusesNow(TimePoint now) const noexcept {
  const Hidden& hidden = *hidden_;
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  if ((word & kClosed) != 0) return Cause::kClosed;
  if ((word & kRefusing) != 0) return Cause::kPaused;
  if (KnownDown(now)) return Cause::kDown;
  const std::size_t most = hidden.limits.max_waiters;
  return most > 0 && hidden.queue.Size() >= most ? Cause::kQueueFull : Cause::kNone;
}

Cause Core::Refuses(TimePoint now) const {
  if (process_.Forked()) return Cause::kForked;
  const Section section(*this);
  return RefusesNow(now);
}

Refusal Core::Explain(Cause cause, TimePoint now) const {
  Refusal refusal;
  refusal.cause = cause;
  refusal.pool = name_;
  if (process_.Forked()) {
    refusal.cause = Cause::kForked;
    return refusal;
  }
  refusal.counts = Now();
  const std::vector<Holder> holders = Holders(now, Duration::zero());
  if (!holders.empty()) refusal.oldest = holders.front();
  const Section section(*this);
  refusal.max = hidden_->limits.max;
  refusal.connect_error = hidden_->last_error;
  if (cause != Cause::kNone) return refusal;
  if (Paused()) {
    refusal.cause = Cause::kPaused;
  } else if (refusal.counts.in_use + refusal.counts.idle + refusal.counts.busy == 0 &&
             hidden_->backoff.Failing()) {
    refusal.cause = Cause::kDown;
  } else {
    refusal.cause = refusal.counts.dialling > 0 ? Cause::kConnecting : Cause::kHeld;
  }
  return refusal;
}

void Core::Pause(bool refuse, TimePoint now) {
  if (process_.Forked()) return;
  Deliveries out;
  {
    const Section section(*this);
    SetFlags(kPaused | kRefusing, refuse ? kPaused | kRefusing : kPaused);
    if (refuse) FailAll(Cause::kPaused, now, out);
    Arrange(now, false, out);
  }
  out.Tell(*this, now);
}

void Core::Resume(TimePoint now) {
  if (process_.Forked()) return;
  {
    const Section section(*this);
    SetFlags(kPaused | kRefusing, 0);
  }
  Attend(now);
}

void Core::Close(TimePoint now) {
  if (process_.Forked()) return;
  Deliveries out;
  {
    const Section section(*this);
    SetFlags(kClosed | kPaused | kRefusing, kClosed);
    FailAll(Cause::kClosed, now, out);
    Arrange(now, false, out);
  }
  out.Tell(*this, now);
  Sweep(now);
}

bool Core::Closed() const noexcept {
  return (word_.load(std::memory_order_acquire) & kClosed) != 0;
}

bool Core::Paused() const noexcept {
  return (word_.load(std::memory_order_acquire) & kPaused) != 0;
}

bool Core::NothingLent() const noexcept {
  return table_.Find([](const Slot& slot) {
    const SlotState state = slot.state_.load(std::memory_order_seq_cst);
    return state == SlotState::kInUse || state == SlotState::kBusy;
  }) == nullptr;
}

/// Mutex held.
void Core::CheckQuiet(Deliveries& out) noexcept {
  if (hidden_->watches == nullptr || !NothingLent()) return;
  while (QuietWatch* watch = hidden_->watches) {
    hidden_->watches = watch->next_;
    out.Add(*watch);
  }
}

bool Core::WatchQuiet(QuietWatch& watch) {
  if (process_.Forked()) return true;
  const Section section(*this);
  if (NothingLent()) return true;
  watch.next_ = hidden_->watches;
  hidden_->watches = &watch;
  return false;
}

bool Core::StopWatching(QuietWatch& watch) noexcept {
  const Section section(*this);
  for (QuietWatch** at = &hidden_->watches; *at != nullptr; at = &(*at)->next_) {
    if (*at == &watch) {
      *at = watch.next_;
      return true;
    }
  }
  return false;
}

Counts Core::Now() const noexcept {
  Counts counts;
  table_.ForEach([&](const Slot& slot) {
    switch (slot.state_.load(std::memory_order_relaxed)) {
      case SlotState::kEmpty: break;
      case SlotState::kDialling: ++counts.dialling; break;
      case SlotState::kIdle: ++counts.idle; break;
      case SlotState::kInUse: ++counts.in_use; break;
      case SlotState::kBusy: ++counts.busy; break;
    }
  });
  counts.waiting = hidden_->queue.Size();
  return counts;
}

Statistics Core::Totals() const {
  Statistics totals;
  {
    const Section section(*this);
    totals = hidden_->totals;
    totals.connect_time = hidden_->plan.ConnectTime();
  }
  std::size_t in_use = 0;
  table_.ForEach([&](const Slot& slot) {
    totals.acquired += slot.acquired_.load(std::memory_order_relaxed);
    totals.overtakes += slot.overtakes_.load(std::memory_order_relaxed);
    in_use += slot.state_.load(std::memory_order_relaxed) == SlotState::kInUse ? 1 : 0;
  });
  totals.most_in_use =
      std::max({totals.most_in_use, in_use, most_in_use_.load(std::memory_order_relaxed)});
  return totals;
}

Limits Core::Bounds() const {
  const Section section(*this);
  return hidden_->limits;
}

}  // namespace perf::pool

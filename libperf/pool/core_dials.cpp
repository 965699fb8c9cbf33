// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "libperf/pool/core_inline.hpp"

// The part of Core that decides about dials and takes in what they gave.
namespace perf::pool {

/// How many more dials should start now. Mutex held.
std::size_t Core::DialsWanted(TimePoint now) {
  Hidden& hidden = *hidden_;
  const Limits& limits = hidden.limits;
  if (hidden.backoff.Pausing(now)) return 0;
  const std::size_t open = hidden.open.load(std::memory_order_relaxed);
  const std::size_t dialling = hidden.dialling.load(std::memory_order_relaxed);
  if (open >= limits.max) return 0;
  std::size_t wanted = 0;
  if ((word_.load(std::memory_order_relaxed) & kPaused) == 0 && !hidden.queue.Empty()) {
    const DialPlan::View view{hidden.queue.Size(), open - dialling, Returned()};
    const std::size_t all = hidden.plan.Wanted(view, limits, now);
    // Dials already under way serve that many waiters.
    wanted = all > dialling ? all - dialling : 0;
  }
  const std::size_t missing = limits.min > open ? limits.min - open : 0;
  std::size_t most = limits.max_dials > dialling ? limits.max_dials - dialling : 0;
  // While the target is down one probe is enough.
  if (hidden.backoff.Failing()) most = dialling == 0 ? std::min<std::size_t>(most, 1) : 0;
  return std::min({limits.max - open, std::max(wanted, missing), most});
}

Slot* Core::StartDial(TimePoint now) {
  Hidden& hidden = *hidden_;
  if (!hidden.room.load(std::memory_order_relaxed) || process_.Forked()) return nullptr;
  Deliveries out;
  Slot* slot = nullptr;
  {
    const Section section(*this);
    if (hidden.probing && KnownDown(now)) {
      FailAll(Cause::kDown, now, out);
      Arrange(now, false, out);
    }
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    if ((word & kClosed) == 0 && DialsWanted(now) > 0) slot = table_.ClaimEmpty();
    if (slot != nullptr) {
      hidden.open.fetch_add(1, std::memory_order_relaxed);
      hidden.dialling.fetch_add(1, std::memory_order_relaxed);
      slot->epoch_ = word & kEpochMask;
      Slot::Store(slot->borrowed_at_, now);
      // What was found out long ago is no reason to fail those who wait now.
      if (hidden.backoff.Failing() &&
          now < Saturated(hidden.backoff.RetryAt(), hidden.limits.backoff_most)) {
        hidden.probing = true;
        hidden.probe_since = now;
      }
      OpenChanged();
    }
  }
  out.Tell(*this, now);
  return slot;
}

void Core::Dialled(Slot& slot, std::unique_ptr<Resource> resource, TimePoint now) {
  if (process_.Forked()) {
    static_cast<void>(resource.release());
    return;
  }
  Hidden& hidden = *hidden_;
  {
    const Section section(*this);
    hidden.dialling.fetch_sub(1, std::memory_order_relaxed);
    ++hidden.totals.dialled;
    hidden.backoff.Succeeded();
    hidden.probing = false;
    hidden.last_error.clear();
    hidden.plan.Took(now - Slot::Load(slot.borrowed_at_));
    Slot::Store(slot.dies_at_, PlanDeath(now));
    slot.resource_ = std::move(resource);
    slot.broken_ = slot.pinging_ = false;
    slot.state_.store(SlotState::kBusy, std::memory_order_relaxed);
    if (!Shared()) {
      in_use_.store(in_use_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  Return(slot, now);
}

/// When one that is dialled now dies. Mutex held.
TimePoint Core::PlanDeath(TimePoint now) {
  const Limits& limits = hidden_->limits;
  if (limits.max_lifetime <= Duration::zero()) return TimePoint::max();
  std::vector<TimePoint> planned;
  table_.ForEach([&](const Slot& slot) {
    const SlotState state = slot.state_.load(std::memory_order_relaxed);
    if (state != SlotState::kEmpty && state != SlotState::kDialling) {
      planned.push_back(Slot::Load(slot.dies_at_));
    }
  });
  return hidden_->lifetimes.Next(limits.max_lifetime, limits.lifetime_jitter, now, planned);
}

void Core::DialFailed(Slot& slot, const std::string& why, TimePoint now) {
  if (process_.Forked()) return;
  Hidden& hidden = *hidden_;
  Deliveries out;
  {
    const Section section(*this);
    slot.state_.store(SlotState::kEmpty, std::memory_order_release);
    hidden.dialling.fetch_sub(1, std::memory_order_relaxed);
    hidden.open.fetch_sub(1, std::memory_order_relaxed);
    ++hidden.totals.dial_failures;
    hidden.last_error = why;
    hidden.probing = false;
    hidden.backoff.Failed(hidden.limits, now);
    OpenChanged();
    // A dial under way may still succeed: nobody fails before the last one has.
    if (hidden.open.load(std::memory_order_relaxed) == 0) {
      FailAll(Cause::kDown, now, out);
      Arrange(now, false, out);
    }
  }
  out.Tell(*this, now);
}

bool Core::Adopt(std::unique_ptr<Resource> resource, TimePoint now, Duration took) {
  if (process_.Forked()) {
    static_cast<void>(resource.release());
    return false;
  }
  Hidden& hidden = *hidden_;
  Slot* slot = nullptr;
  {
    const Section section(*this);
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    if ((word & kClosed) == 0 && hidden.open.load(std::memory_order_relaxed) < hidden.limits.max) {
      slot = table_.ClaimEmpty();
    }
    if (slot == nullptr) return false;
    hidden.open.fetch_add(1, std::memory_order_relaxed);
    hidden.dialling.fetch_add(1, std::memory_order_relaxed);
    slot->epoch_ = word & kEpochMask;
    Slot::Store(slot->borrowed_at_, took > Duration::zero() ? now - took : now);
    OpenChanged();
  }
  Dialled(*slot, std::move(resource), now);
  return true;
}

TimePoint Core::RetryAt() const {
  const Section section(*this);
  return hidden_->backoff.RetryAt();
}

TimePoint Core::NextDecision(TimePoint now) const {
  const Hidden& hidden = *hidden_;
  if (!hidden.room.load(std::memory_order_relaxed) || process_.Forked()) return TimePoint::max();
  const Section section(*this);
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  const bool waiting = !hidden.queue.Empty() && (word & kPaused) == 0;
  const bool missing = hidden.open.load(std::memory_order_relaxed) < hidden.limits.min;
  if ((word & kClosed) != 0 || (!waiting && !missing)) return TimePoint::max();
  if (hidden.backoff.Pausing(now)) return hidden.backoff.RetryAt();
  // Once it has passed there is nothing left to decide before the probe's end.
  const TimePoint patience_ends = hidden.probe_since + kProbePatience;
  const TimePoint probe_late = now < patience_ends ? patience_ends : TimePoint::max();
  if (hidden.dialling.load(std::memory_order_relaxed) >= hidden.limits.max_dials) {
    return hidden.probing ? probe_late : TimePoint::max();
  }
  if (hidden.probing) return waiting ? probe_late : TimePoint::max();
  return waiting ? hidden.plan.Next() : TimePoint::max();
}

/// Nothing is open, and a dial may not start yet, or does not come to an end. Mutex held.
bool Core::KnownDown(TimePoint now) const noexcept {
  const Hidden& hidden = *hidden_;
  const std::size_t dialling = hidden.dialling.load(std::memory_order_relaxed);
  if (!hidden.backoff.Failing() || hidden.open.load(std::memory_order_relaxed) > dialling) {
    return false;
  }
  return dialling == 0 ? hidden.backoff.Pausing(now)
                       : hidden.probing && now >= hidden.probe_since + kProbePatience;
}

/// Resources that came back since the pool was made, as far as can be seen.
std::uint64_t Core::Returned() const noexcept {
  std::uint64_t lent = 0;
  std::uint64_t out = 0;
  table_.ForEach([&](const Slot& slot) {
    lent += slot.acquired_.load(std::memory_order_relaxed);
    out += slot.state_.load(std::memory_order_relaxed) == SlotState::kInUse ? 1 : 0;
  });
  return lent - std::min(lent, out);
}

/// `open`, `dying` or the limits are not what they were. Mutex held.
void Core::OpenChanged() noexcept {
  const std::size_t open = hidden_->open.load(std::memory_order_relaxed);
  const std::size_t max = hidden_->limits.max;
  hidden_->room.store(open < max, std::memory_order_relaxed);
  SetFlags(kExcess, open - std::min(open, hidden_->dying) > max ? kExcess : 0);
}

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/core.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace perf::pool {

Core::Core(Limits limits, std::uint64_t seed) : limits_(limits), random_(seed) {}

Core::~Core() { assert(head_ == nullptr && "waiters must be gone before their pool"); }

std::unique_ptr<Resource> Core::TryTake(TimePoint now) {
  if (head_ != nullptr) return nullptr;
  while (!idle_.empty()) {
    Idle newest = std::move(idle_.back());
    idle_.pop_back();
    if (now - newest.since >= limits_.validate_after && !newest.resource->Alive()) {
      ++totals_.discarded;
      continue;
    }
    ++in_use_;
    ++totals_.acquired;
    totals_.most_in_use = std::max(totals_.most_in_use, in_use_);
    return std::move(newest.resource);
  }
  return nullptr;
}

const std::string* Core::Down(TimePoint now) const noexcept {
  // A dial under way may still succeed: as in DialFailed, nobody fails before the last one has.
  const bool nothing_left = Now().Total() == 0;
  return failures_in_row_ > 0 && nothing_left && now < retry_at_ ? &last_error_ : nullptr;
}

void Core::Enqueue(Waiter& waiter) {
  assert(!waiter.queued_);
  waiter.queued_ = true;
  waiter.next_ = nullptr;
  waiter.previous_ = tail_;
  (tail_ != nullptr ? tail_->next_ : head_) = &waiter;
  tail_ = &waiter;
  ++waiting_;
  ++totals_.waited;
  totals_.most_waiting = std::max(totals_.most_waiting, waiting_);
}

void Core::Remove(Waiter& waiter) noexcept {
  if (!waiter.queued_) return;
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : head_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : tail_) = waiter.previous_;
  waiter.next_ = waiter.previous_ = nullptr;
  waiter.queued_ = false;
  --waiting_;
}

Waiter* Core::PopWaiter() noexcept {
  Waiter* oldest = head_;
  if (oldest != nullptr) Remove(*oldest);
  return oldest;
}

std::size_t Core::DialsToStart(TimePoint now) {
  if (now < retry_at_ && failures_in_row_ > 0) return 0;
  const std::size_t total = Now().Total();
  const std::size_t room = limits_.max > total ? limits_.max - total : 0;
  // Dials already under way serve that many waiters: a burst must not dial more than it needs.
  const std::size_t wanted = waiting_ > dialling_ ? waiting_ - dialling_ : 0;
  const std::size_t missing = limits_.min > total ? limits_.min - total : 0;
  const std::size_t slots = limits_.max_dials > dialling_ ? limits_.max_dials - dialling_ : 0;
  // While the target is down one probe is enough.
  const std::size_t most =
      failures_in_row_ > 0 ? std::min<std::size_t>(slots, 1 - std::min<std::size_t>(dialling_, 1))
                           : slots;
  const std::size_t count = std::min({room, std::max(wanted, missing), most});
  dialling_ += count;
  return count;
}

void Core::Dialled(std::unique_ptr<Resource> resource, TimePoint now) {
  --dialling_;
  ++totals_.dialled;
  failures_in_row_ = 0;
  GiveOrKeep(std::move(resource), now);
}

void Core::Adopt(std::unique_ptr<Resource> resource, TimePoint now) {
  ++totals_.dialled;
  GiveOrKeep(std::move(resource), now);
}

void Core::DialFailed(const std::string& why, TimePoint now) {
  --dialling_;
  ++totals_.dial_failures;
  last_error_ = why;
  // Dials of one burst fail together: that is one failure, not as many doublings.
  if (failures_in_row_ == 0 || now >= retry_at_) BackOff(now);
  if (idle_.empty() && in_use_ == 0 && dialling_ == 0) FailAll(why);
}

void Core::BackOff(TimePoint now) {
  const int doublings = std::min(failures_in_row_++, 16);
  const Duration full = std::min(limits_.backoff_most, limits_.backoff_first * (1 << doublings));
  // "Equal jitter": half fixed, half random, so that clients of one server spread out.
  const Duration jittered =
      full / 2 + std::chrono::duration_cast<Duration>(full * (random_.Unit() / 2));
  retry_at_ = now + jittered;
}

void Core::FailAll(const std::string& why) {
  // Those who come back from inside Fail stand behind this mark and are not failed again.
  for (std::size_t left = waiting_; left > 0; --left) {
    Waiter* waiter = PopWaiter();
    if (waiter == nullptr) return;
    waiter->Fail(why);
  }
}

void Core::Return(std::unique_ptr<Resource> resource, TimePoint now) {
  --in_use_;
  if (!resource->Reusable()) {
    ++totals_.discarded;
    return;
  }
  GiveOrKeep(std::move(resource), now);
}

void Core::GiveOrKeep(std::unique_ptr<Resource> resource, TimePoint now) {
  if (Waiter* waiter = PopWaiter()) {
    ++in_use_;
    ++totals_.acquired;
    totals_.most_in_use = std::max(totals_.most_in_use, in_use_);
    waiter->Grant(std::move(resource));
    return;
  }
  idle_.push_back(Idle{std::move(resource), now});
}

void Core::Reap(TimePoint now) {
  while (!idle_.empty() && Now().Total() > limits_.min &&
         now - idle_.front().since >= limits_.idle_timeout) {
    idle_.pop_front();
    ++totals_.expired;
  }
}

void Core::CloseIdle() noexcept { idle_.clear(); }

Counts Core::Now() const noexcept { return Counts{idle_.size(), in_use_, dialling_, waiting_}; }

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
// One load among all processes: the lock of the second tier.
#include <algorithm>
#include <utility>

#include "libperf/cache/flight.hpp"

namespace perf::cache {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(2);
constexpr Duration kLongestPause = std::chrono::milliseconds(50);

}  // namespace

void Flight::Lock() {
  const std::shared_ptr<Gate::Pass> pass = gate_->EnterShared();
  if (!pass || !parts_.TierUp()) {
    Load();
    return;
  }
  parts_.tier->TryLock(
      key_, options_->lock_ttl, parts_.HardDeadline(),
      [self = shared_from_this(), pass](const TierLock& lock) { self->OnLocked(lock); });
}

void Flight::OnLocked(TierLock lock) {
  if (lock.status == TierStatus::kOk) {
    fence_ = lock.fence;
    keeper_ = std::make_shared<LockKeeper>(parts_, key_, fence_, options_->lock_ttl);
    keeper_->Begin();
    // Whoever had it before us may have stored the value meanwhile.
    Fetch([self = shared_from_this()] { self->Load(); });
  } else if (lock.status == TierStatus::kRefused) {
    parts_.counters.Add(Count::kLockWaits);
    AwaitOther();
  } else {
    parts_.counters.Add(Count::kTierErrors);
    Load();
  }
}

void Flight::AwaitOther() {
  if (EndIfEmpty()) return;
  const TimePoint now = Clock::now();
  const std::shared_ptr<Gate::Pass> pass = gate_->EnterShared();
  if (!pass || now >= lock_until_) {
    Load();
    return;
  }
  lock_pause_ = std::clamp(lock_pause_ * 2, kFirstPause, kLongestPause);
  parts_.upkeep->At(Saturated(now, lock_pause_),
                    [self = shared_from_this(), pass] { self->Fetch([self] { self->Lock(); }); });
}

void Flight::Unlock() {
  if (const auto keeper = std::exchange(keeper_, nullptr)) keeper->End();
  const std::uint64_t fence = std::exchange(fence_, 0);
  if (fence != 0 && parts_.tier) parts_.tier->Unlock(key_, fence);
}

}  // namespace perf::cache

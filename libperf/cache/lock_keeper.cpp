// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/lock_keeper.hpp"

#include <algorithm>
#include <utility>

#include "libperf/cache/parts.hpp"

namespace perf::cache {
namespace {

constexpr int kLongestInTtls = 10;
constexpr Duration kShortestPause = std::chrono::milliseconds(1);

}  // namespace

LockKeeper::LockKeeper(Parts& parts, std::string key, std::uint64_t fence, Duration ttl)
    : parts_(parts),
      gate_(parts.gate),
      key_(std::move(key)),
      fence_(fence),
      ttl_(ttl),
      until_(Saturated(Clock::now(), LongestHold(ttl))) {}

Duration LockKeeper::LongestHold(Duration ttl) noexcept {
  return ttl > Duration::max() / kLongestInTtls ? Duration::max() : ttl * kLongestInTtls;
}

void LockKeeper::Begin() { Plan(); }

void LockKeeper::End() {
  Upkeep::TimerId timer = 0;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    timer = std::exchange(timer_, 0);
  }
  if (timer != 0) parts_.upkeep->Cancel(timer);
}

void LockKeeper::Plan() {
  const TimePoint at = Saturated(Clock::now(), std::max(ttl_ / 3, kShortestPause));
  const std::lock_guard lock(mutex_);
  if (ended_ || at >= until_) return;
  // No pass for so long: the cache would wait for it when it goes.
  timer_ = parts_.upkeep->At(at, [weak = weak_from_this(), gate = gate_] {
    std::shared_ptr<Gate::Pass> pass = gate->EnterShared();
    const auto self = weak.lock();
    if (pass && self) self->Renew(std::move(pass));
  });
}

void LockKeeper::Renew(std::shared_ptr<Gate::Pass> pass) {
  {
    const std::lock_guard lock(mutex_);
    timer_ = 0;
    if (ended_) return;
  }
  parts_.tier->Renew(key_, fence_, ttl_, parts_.HardDeadline(),
                     [weak = weak_from_this(), pass = std::move(pass)](TierStatus status) {
                       const auto self = weak.lock();
                       // Refused: lost. What was loaded is written only if nobody else did.
                       if (self && status != TierStatus::kRefused) self->Plan();
                     });
}

}  // namespace perf::cache

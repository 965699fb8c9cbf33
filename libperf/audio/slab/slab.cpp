// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slab/slab.hpp"

#include <algorithm>

namespace perf::audio {
namespace {

/// Slots that a budget can fill, those in magazines, and those that Trim holds back for a moment.
std::uint32_t SlotsFor(std::uint64_t budget, std::uint32_t stride) {
  constexpr std::uint64_t kHeldBack = 1U << 20U;  // bytes
  const std::uint64_t slots = (budget + kHeldBack) / stride + SlotPool::kSpare;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(slots, SlotPool::kMostSlots));
}

}  // namespace

SlotPool& Slab::PoolFor(std::uint32_t bytes) {
  const auto stride = static_cast<std::uint32_t>(RoundUp(bytes, kGrain));
  const std::lock_guard lock(mutex_);
  std::unique_ptr<SlotPool>& pool = pools_[stride];
  if (pool == nullptr) pool = std::make_unique<SlotPool>(stride, SlotsFor(budget_, stride));
  return *pool;
}

bool Slab::Reserve(std::uint64_t bytes) noexcept {
  std::uint64_t now = reserved_.load(std::memory_order_relaxed);
  do {
    if (bytes > budget_ || now > budget_ - bytes) return false;
  } while (!reserved_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

template <typename Figure>
std::uint64_t Slab::Sum(Figure figure) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [stride, pool] : pools_) sum += figure(*pool);
  return sum;
}

std::uint64_t Slab::TakenBytes() const {
  return Sum([](const SlotPool& pool) { return pool.TakenBytes(); });
}

std::uint64_t Slab::ResidentBytes() const {
  return Sum([](const SlotPool& pool) { return pool.ResidentBytes(); });
}

std::uint64_t Slab::Trim(std::uint64_t keep) {
  return Sum([&keep](SlotPool& pool) -> std::uint64_t {
    const std::uint64_t taken = pool.TakenBytes();
    const std::uint64_t free =
        pool.ResidentBytes() - std::min<std::uint64_t>(pool.ResidentBytes(), taken);
    const std::uint64_t kept = std::min(keep, free);
    keep -= kept;
    // Where all would end that lives, and a sixteenth.
    const std::uint64_t compact = taken / pool.Stride() * 17 / 16 + SlotPool::kMagazineSlots;
    pool.SetCeiling(free > kept && compact < SlotPool::kMostSlots
                        ? static_cast<std::uint32_t>(compact)
                        : SlotPool::kNone);
    return pool.Trim(free - kept);
  });
}

}  // namespace perf::audio

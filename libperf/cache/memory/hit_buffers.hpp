// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "libperf/cache/memory/hazards.hpp"
#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// The hits of some threads that the policy of one shard has not seen yet, and what those threads
/// counted; on cache lines of its own.
struct alignas(128) HitBuffer {
  static constexpr std::uint32_t kRoom = 24;

  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> misses{0};
  std::atomic<std::uint32_t> fill{0};
  std::atomic<Slot> slots[kRoom];
};

/// Collects hits without a lock and without lines that threads share, and may lose some: the first
/// threads have a buffer each, all others share one (after Caffeine's read buffers, and BP-Wrapper
/// by Ding, Jiang and Zhang, ICDE 2009).
class HitBuffers {
 public:
  explicit HitBuffers(std::uint32_t own)
      : own_(own), buffers_(std::make_unique<HitBuffer[]>(own + 1)) {}

  HitBuffer& Of(const HazardRecord& thread) const noexcept {
    return buffers_[std::min(thread.Ordinal(), own_)];
  }
  /// True when it is time to drain the buffer.
  bool Hit(HitBuffer& buffer, Slot slot) const noexcept {
    if (Shared(buffer)) {
      buffer.hits.fetch_add(1, std::memory_order_relaxed);
      const std::uint32_t at = buffer.fill.fetch_add(1, std::memory_order_relaxed);
      if (at < HitBuffer::kRoom) buffer.slots[at].store(slot, std::memory_order_relaxed);
      return at + 1 == HitBuffer::kRoom;
    }
    Add(buffer.hits);
    const std::uint32_t at = buffer.fill.load(std::memory_order_relaxed);
    buffer.slots[at].store(slot, std::memory_order_relaxed);
    buffer.fill.store(at + 1, std::memory_order_relaxed);
    return at + 1 == HitBuffer::kRoom;
  }
  void Miss(HitBuffer& buffer) const noexcept {
    if (Shared(buffer)) {
      buffer.misses.fetch_add(1, std::memory_order_relaxed);
    } else {
      Add(buffer.misses);
    }
  }
  /// Requires: the shard's lock, and the buffer is the caller's.
  void Drain(HitBuffer& buffer, Policy& policy) const noexcept {
    const std::uint32_t count =
        std::min(buffer.fill.load(std::memory_order_relaxed), HitBuffer::kRoom);
    for (std::uint32_t i = 0; i < count; ++i) {
      policy.OnHit(buffer.slots[i].load(std::memory_order_relaxed));
    }
    buffer.fill.store(0, std::memory_order_relaxed);
  }
  /// Nobody could take them now: the younger half is lost, and the next try is half a buffer away.
  void Lose(HitBuffer& buffer) const noexcept {
    buffer.fill.store(HitBuffer::kRoom / 2, std::memory_order_relaxed);
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (std::uint32_t i = 0; i <= own_; ++i) visit(buffers_[i]);
  }
  std::size_t Bytes() const noexcept { return (own_ + 1) * sizeof(HitBuffer); }

 private:
  bool Shared(const HitBuffer& buffer) const noexcept { return &buffer == &buffers_[own_]; }
  static void Add(std::atomic<std::uint64_t>& count) noexcept {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::uint32_t own_;
  std::unique_ptr<HitBuffer[]> buffers_;
};

}  // namespace perf::cache

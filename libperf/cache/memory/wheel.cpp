// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/wheel.hpp"

#include <algorithm>
#include <bit>

namespace perf::cache {
namespace {

/// A link that leads out of a bucket names the bucket.
constexpr std::uint32_t kEnd = 0x80000000;
/// The next of a slot that is in no bucket; slots stay far below.
constexpr std::uint32_t kUnlinked = kNoSlot;

}  // namespace

TimerWheel::TimerWheel(SlotTable& slots) noexcept : slots_(slots) {
  for (std::uint32_t i = 0; i < buckets_.size(); ++i) buckets_[i] = {kEnd | i, kEnd | i};
}

void TimerWheel::Append(Slot slot, std::uint32_t bucket) noexcept {
  Ends& ends = buckets_[bucket];
  slots_[slot].previous = ends.last;
  slots_[slot].next = kEnd | bucket;
  ((ends.last & kEnd) != 0 ? ends.first : slots_[ends.last].next) = slot;
  ends.last = slot;
}

void TimerWheel::Link(Slot slot, std::int64_t deadline) noexcept {
  if (deadline == kNeverExpires) {
    slots_[slot].next = kUnlinked;
    return;
  }
  const std::int64_t at = std::max(deadline, now_) >> kTickBits;
  const auto ahead = static_cast<std::uint64_t>(at - (now_ >> kTickBits));
  const unsigned level = std::min<unsigned>(
      ahead == 0 ? 0 : static_cast<unsigned>(std::bit_width(ahead) - 1) / kLevelBits, kLevels - 1);
  // Beyond the last level it waits in the bucket that comes round last, and is looked at again
  // then.
  const unsigned shift = level * kLevelBits;
  const std::uint64_t furthest =
      (static_cast<std::uint64_t>(now_ >> kTickBits) >> shift) + kBuckets - 1;
  const std::uint64_t turn = std::min(static_cast<std::uint64_t>(at) >> shift,
                                      level + 1 == kLevels ? furthest : ~std::uint64_t{0});
  Append(slot, level * kBuckets + static_cast<std::uint32_t>(turn % kBuckets));
}

void TimerWheel::Unlink(Slot slot) noexcept {
  const std::uint32_t previous = slots_[slot].previous;
  const std::uint32_t next = slots_[slot].next;
  if (next == kUnlinked) return;
  ((previous & kEnd) != 0 ? buckets_[previous & ~kEnd].first : slots_[previous].next) = next;
  ((next & kEnd) != 0 ? buckets_[next & ~kEnd].last : slots_[next].previous) = previous;
  slots_[slot].next = kUnlinked;
}

void TimerWheel::Collect(std::uint32_t bucket) noexcept {
  Ends& from = buckets_[bucket];
  if ((from.first & kEnd) != 0) return;
  Ends& due = buckets_[kDue];
  slots_[from.first].previous = due.last;
  ((due.last & kEnd) != 0 ? due.first : slots_[due.last].next) = from.first;
  slots_[from.last].next = kEnd | kDue;
  due.last = from.last;
  from = {kEnd | bucket, kEnd | bucket};
}

void TimerWheel::Advance(std::int64_t now) noexcept {
  if (now <= now_) return;
  const auto before = static_cast<std::uint64_t>(now_ >> kTickBits);
  const auto after = static_cast<std::uint64_t>(now >> kTickBits);
  now_ = now;
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = level * kLevelBits;
    const std::uint64_t from = before >> shift;
    const std::uint64_t to = after >> shift;
    if (level > 0 && from == to) break;
    const std::uint64_t count = std::min<std::uint64_t>(to - from + 1, kBuckets);
    for (std::uint64_t i = 0; i < count; ++i) {
      Collect(level * kBuckets + static_cast<std::uint32_t>((from + i) % kBuckets));
    }
  }
}

Slot TimerWheel::Pop() noexcept {
  const std::uint32_t first = buckets_[kDue].first;
  if ((first & kEnd) != 0) return kNoSlot;
  Unlink(first);
  return first;
}

}  // namespace perf::cache

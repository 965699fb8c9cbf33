// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slot_queue.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <thread>

#include "libperf/base/heavy_barrier.hpp"

namespace perf::audio {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::uint32_t kLeastRing = kLine / sizeof(std::uint32_t);

std::uint32_t RingEntries(std::uint32_t depth) noexcept {
  return std::max(kLeastRing, std::bit_ceil(depth));
}

constexpr std::uint32_t Low(std::uint64_t counter) noexcept {
  return static_cast<std::uint32_t>(counter);
}

/// Of a counter that only this thread writes.
template <typename T>
void Increment(std::atomic<T>& counter) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

std::size_t SlotQueue::BytesFor(std::uint32_t depth) noexcept {
  return sizeof(SlotQueue) + RingEntries(depth) * sizeof(Entry);
}

SlotQueue::SlotQueue(SlotPool& pool, const Shape& shape) noexcept
    : head_(shape.start),
      tail_seen_(shape.start),
      pool_(&pool),
      packet_bytes_(shape.packet_bytes),
      depth_(shape.depth),
      writer_mask_(RingEntries(shape.depth) - 1),
      writer_control_((shape.overflow == Overflow::kDropOldest ? kDropOldest : 0) |
                      (HeavyBarrier::Works() ? 0 : kFullBarriers)),
      last_overrun_(Low(shape.start) - 2),
      tail_(shape.start),
      reader_pool_(&pool),
      reader_bytes_(shape.packet_bytes),
      reader_mask_(writer_mask_),
      reader_control_(writer_control_.load()),
      last_underrun_(Low(shape.start) - 1),
      quiet_(Low(shape.start)) {
  for (std::uint64_t at = shape.start; at != shape.start + reader_mask_ + 1; ++at) {
    new (&EntryOf(at, reader_mask_)) Entry(LapOf(at, reader_mask_) ^ kLapBit);
  }
}

SlotQueue::~SlotQueue() {
  const std::uint64_t head = head_.load(std::memory_order_acquire);
  for (std::uint64_t at = tail_.load(std::memory_order_acquire); at != head; ++at) {
    pool_->Give(SlotOf(EntryOf(at, writer_mask_).load(std::memory_order_relaxed)));
  }
  for (const std::uint32_t slot : {writing_, held_.load(std::memory_order_acquire)}) {
    if (slot != SlotPool::kNone) pool_->Give(slot);
  }
}

bool SlotQueue::MakeRoom(std::uint64_t head, std::uint32_t control) noexcept {
  std::uint64_t tail = tail_.load(std::memory_order_acquire);
  while (head - tail >= depth_) {
    if ((control & kDropOldest) == 0) {
      Lose(head);
      return false;
    }
    // Read before the claim: if the claim succeeds it was still this position's.
    const std::uint32_t entry = EntryOf(tail, writer_mask_).load(std::memory_order_relaxed);
    if (!tail_.compare_exchange_weak(tail, tail + 1)) continue;
    pool_->Give(SlotOf(entry));
    Lose(head);
    ++tail;
  }
  tail_seen_ = tail;
  return true;
}

void SlotQueue::Lose(std::uint64_t head) noexcept {
  const std::uint32_t control = writer_control_.load(std::memory_order_relaxed);
  Increment(overrun_packets_);
  // One event goes on: of the newest nothing was written since, of the oldest just one.
  if (Low(head) - last_overrun_ > ((control & kDropOldest) != 0 ? 1 : 0)) {
    Increment(overrun_events_);
  }
  last_overrun_ = Low(head);
}

void SlotQueue::RunDry(std::uint64_t tail, std::uint32_t control) noexcept {
  if ((control & kDraining) != 0 || Low(tail) == quiet_.load(std::memory_order_relaxed)) return;
  Increment(underrun_packets_);
  if (Low(tail) != last_underrun_) Increment(underrun_events_);
  last_underrun_ = Low(tail);
}

std::span<const std::byte> SlotQueue::Claim() noexcept {
  // Who flushes takes the consumer's part: it sees this, or this sees it, by Dekker's scheme.
  if ((reader_control_.load(std::memory_order_relaxed) & kFullBarriers) != 0) {
    held_.store(kClaiming);
  } else {
    held_.store(kClaiming, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  std::uint32_t slot = SlotPool::kNone;
  std::uint64_t tail = tail_.load(std::memory_order_acquire);
  while (true) {
    const std::uint32_t entry = EntryOf(tail, reader_mask_).load(std::memory_order_acquire);
    // After the entry: a packet's epoch is never newer than what is read here.
    const std::uint32_t control = reader_control_.load();
    if ((control & (kClosed | kPaused | kFlushing)) != 0) break;
    if ((entry & kLapBit) != LapOf(tail, reader_mask_)) {
      const std::uint64_t before = std::exchange(tail, tail_.load(std::memory_order_acquire));
      if (before != tail) continue;  // the producer dropped some
      RunDry(tail, control);
      break;
    }
    if ((control & kDropOldest) == 0) {
      tail_.store(tail + 1, std::memory_order_release);
    } else if (!tail_.compare_exchange_strong(tail, tail + 1)) {
      continue;
    }
    if (TagOf(entry) == TagOfEpoch(control >> kEpochShift)) {
      slot = SlotOf(entry);
      break;
    }
    // Its writer began it before a Flush and committed it while that ran.
    reader_pool_->Give(SlotOf(entry));
    flushed_.fetch_add(1, std::memory_order_relaxed);
    std::uint32_t quiet = Low(tail);
    quiet_.compare_exchange_strong(quiet, quiet + 1, std::memory_order_relaxed);
    ++tail;
  }
  held_.store(slot, std::memory_order_release);
  if (slot == SlotPool::kNone) return {};
  return {reader_pool_->At(slot), reader_bytes_};
}

void SlotQueue::Flush() noexcept {
  while ((reader_control_.fetch_or(kFlushing) & kFlushing) != 0) std::this_thread::yield();
  constexpr std::uint32_t kNext = 1U << kEpochShift;
  // The reader's first: of two epochs it then expects the newer one, and drops the rest.
  const std::uint32_t control = reader_control_.fetch_add(kNext) + kNext;
  writer_control_.fetch_add(kNext);
  if ((control & kFullBarriers) == 0) HeavyBarrier::Pass();
  // The consumer claims in a few instructions, unless its thread lost its processor there; then
  // what waits is left to it, and goes by its epoch.
  for (int i = 0; i < 1000 && held_.load() == kClaiming; ++i) std::this_thread::yield();
  if (held_.load() != kClaiming) DropWaiting(TagOfEpoch(control >> kEpochShift));
  Set(reader_control_, kFlushing, false);
}

void SlotQueue::DropWaiting(std::uint32_t tag) noexcept {
  std::array<std::uint32_t, 64> entries;
  std::uint64_t tail = tail_.load(std::memory_order_acquire);
  while (true) {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    if (static_cast<std::int64_t>(head - tail) <= 0) break;
    const std::uint64_t most = std::min<std::uint64_t>(head - tail, entries.size());
    std::uint32_t count = 0;
    for (; count < most; ++count) {
      entries[count] = EntryOf(tail + count, reader_mask_).load(std::memory_order_relaxed);
      if (TagOf(entries[count]) == tag) break;
    }
    if (count == 0) break;
    if (!tail_.compare_exchange_weak(tail, tail + count)) continue;
    for (std::uint32_t i = 0; i < count; ++i) reader_pool_->Give(SlotOf(entries[i]));
    flushed_.fetch_add(count, std::memory_order_relaxed);
    tail += count;
  }
  quiet_.store(Low(tail), std::memory_order_relaxed);
}

void SlotQueue::Close() noexcept {
  Set(reader_control_, kClosed, true);
  Set(writer_control_, kClosed, true);
  Flush();
}

void SlotQueue::SetDraining(bool draining) noexcept {
  Set(writer_control_, kDraining, draining);
  Set(reader_control_, kDraining, draining);
}

void SlotQueue::Prefetch() const noexcept {
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  const std::byte* const packet =
      reader_pool_->At(SlotOf(EntryOf(tail, reader_mask_).load(std::memory_order_relaxed)));
  for (std::size_t at = 0; at < reader_bytes_; at += kLine) __builtin_prefetch(packet + at);
}

void SlotQueue::Set(Control32& control, std::uint32_t flag, bool on) noexcept {
  if (on) {
    control.fetch_or(flag);
  } else {
    control.fetch_and(~flag);
  }
}

void SlotQueue::Await(Side side) noexcept {
  Control32& control = side == Side::kReader ? reader_control_ : writer_control_;
  if ((control.fetch_or(kAwaited) & kFullBarriers) == 0) HeavyBarrier::Pass();
}

void SlotQueue::StopAwaiting(Side side) noexcept {
  Set(side == Side::kReader ? reader_control_ : writer_control_, kAwaited, false);
}

std::uint32_t SlotQueue::Fill() const noexcept {
  const std::uint64_t tail = tail_.load(std::memory_order_acquire);
  const auto fill = static_cast<std::int64_t>(head_.load(std::memory_order_acquire) - tail);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(fill, 0, depth_));
}

Xruns SlotQueue::Overruns() const noexcept {
  return {overrun_packets_.load(std::memory_order_relaxed),
          overrun_events_.load(std::memory_order_relaxed)};
}

Xruns SlotQueue::Underruns() const noexcept {
  return {underrun_packets_.load(std::memory_order_relaxed),
          underrun_events_.load(std::memory_order_relaxed)};
}

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "libperf/audio/slab/slot_pool.hpp"
#include "libperf/audio/xruns.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// Packets of one size from one producer to one consumer; a packet takes a slot of the pool from
/// its BeginWrite to its Pop. Free-running 64-bit counters, each side on a cache line of its own
/// with a copy of the other's counter. The consumer claims a packet by moving the tail on, so that
/// the producer may drop the oldest, and anybody what waits (Flush), at the same time. The number
/// of the epoch, which a Flush moves on, goes with each packet.
///
/// Thread safety: BeginWrite and CommitWrite one producer, Peek, Pop and Prefetch one consumer, the
/// rest any thread. Nothing here allocates or takes a lock; only Await makes a system call.
/// Lifetime: longer than the calls, shorter than the pool's. The memory behind it is its ring.
class PERF_EXPORT SlotQueue {
 public:
  struct Shape {
    std::uint32_t packet_bytes = 0;  // at most the pool's stride
    std::uint32_t depth = 0;         // packets that may wait, 1 to kMostDepth
    Overflow overflow = Overflow::kDropNewest;
    std::uint64_t start = 0;  // of the counters; other than 0 for tests of their wrap
  };
  static constexpr std::uint32_t kMostDepth = 1U << 20U;
  enum class Side : std::uint8_t { kWriter, kReader };

  /// What a queue takes, with its ring.
  static std::size_t BytesFor(std::uint32_t depth) noexcept;
  /// Requires: BytesFor(depth) bytes of memory from here on.
  SlotQueue(SlotPool& pool, const Shape& shape) noexcept;
  /// Gives all slots back. Requires: no other call runs.
  ~SlotQueue();
  SlotQueue(const SlotQueue&) = delete;
  SlotQueue& operator=(const SlotQueue&) = delete;

  /// Where to put one packet; the same place until CommitWrite. Null: it is lost, because the queue
  /// is full (an overrun) or closed.
  std::byte* BeginWrite() noexcept {
    if (writing_ != SlotPool::kNone) return pool_->At(writing_);
    const std::uint32_t control = writer_control_.load(std::memory_order_acquire);
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if ((control & (kClosed | kDraining)) != 0) return nullptr;
    if (head - tail_seen_ >= depth_ && !MakeRoom(head, control)) return nullptr;
    return Draw(head, control);
  }
  /// Requires: BeginWrite gave a place. A packet that was begun before a Flush is dropped by it.
  /// True: who waits for the writer is to be woken.
  bool CommitWrite() noexcept {
    const std::uint32_t slot = std::exchange(writing_, SlotPool::kNone);
    if (writer_control_.load(std::memory_order_acquire) >> kEpochShift != writing_epoch_) {
      pool_->Give(slot);
      return false;
    }
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    EntryOf(head, writer_mask_)
        .store(slot | LapOf(head, writer_mask_) | writing_epoch_ << kTagShift,
               std::memory_order_release);
    return Publish(head_, head + 1, writer_control_);
  }

  /// Takes back what BeginWrite gave, if it did.
  void AbandonWrite() noexcept {
    const std::uint32_t slot = std::exchange(writing_, SlotPool::kNone);
    if (slot != SlotPool::kNone) pool_->Give(slot);
  }

  /// The oldest packet, which is the consumer's until Pop. Empty: there is none (an underrun, once
  /// something was written since the start or the last Flush), or it is paused or closed.
  std::span<const std::byte> Peek() noexcept {
    const std::uint32_t held = held_.load(std::memory_order_relaxed);
    if (held == SlotPool::kNone) return Claim();
    return {reader_pool_->At(held), reader_bytes_};
  }
  /// Requires: Peek gave a packet. True: who waits for the reader is to be woken.
  bool Pop() noexcept {
    reader_pool_->Give(held_.load(std::memory_order_relaxed));
    return Publish(held_, SlotPool::kNone, reader_control_);
  }
  /// Tells the processor that the next packet will be read soon.
  void Prefetch() const noexcept;

  /// Drops what waits: what is written from now on is of the next epoch.
  void Flush() noexcept;
  /// While it is paused Peek gives nothing, and no underrun is counted.
  void SetPaused(bool paused) noexcept { Set(reader_control_, kPaused, paused); }
  /// While it drains nothing goes in, and it may run dry without an underrun.
  void SetDraining(bool draining) noexcept;
  /// For good: nothing goes in, nothing comes out.
  void Close() noexcept;
  /// From now on the next CommitWrite (of the writer) or Pop (of the reader) returns true, as does
  /// each later one until StopAwaiting; one that went before is seen by who looks after this call.
  void Await(Side side) noexcept;
  void StopAwaiting(Side side) noexcept;

  bool Closed() const noexcept { return Has(kClosed); }
  bool Paused() const noexcept { return Has(kPaused); }
  bool Draining() const noexcept { return Has(kDraining); }
  std::uint32_t Epoch() const noexcept { return reader_control_.load() >> kEpochShift; }
  bool DropsOldest() const noexcept { return Has(kDropOldest); }
  const SlotPool& Pool() const noexcept { return *pool_; }
  std::uint32_t PacketBytes() const noexcept { return packet_bytes_; }
  std::uint32_t Depth() const noexcept { return depth_; }
  /// Packets that wait.
  std::uint32_t Fill() const noexcept;
  /// Whether the reader still has one that it has not popped.
  bool Held() const noexcept { return held_.load(std::memory_order_acquire) != SlotPool::kNone; }
  /// Counters since the beginning; packets that went in, that left by any way, that a Flush
  /// dropped.
  std::uint64_t Written() const noexcept { return head_.load(std::memory_order_acquire); }
  std::uint64_t Left() const noexcept { return tail_.load(std::memory_order_acquire); }
  std::uint32_t Flushed() const noexcept { return flushed_.load(std::memory_order_relaxed); }
  Xruns Overruns() const noexcept;
  Xruns Underruns() const noexcept;

 private:
  // Its slot, one bit that changes with each lap around the ring (by which the consumer sees a new
  // one without a look at the head), and the low bits of its epoch.
  using Entry = std::atomic<std::uint32_t>;
  using Control32 = std::atomic<std::uint32_t>;
  static constexpr std::uint32_t kLapBit = SlotPool::kMostSlots, kTagShift = 26,
                                 kClaiming = SlotPool::kNone - 1;  // of held_
  // Of the controls, whose upper 24 bits are the epoch.
  static constexpr std::uint32_t kClosed = 1, kPaused = 2, kDraining = 4, kAwaited = 8,
                                 kDropOldest = 16, kFullBarriers = 32, kFlushing = 64,
                                 kEpochShift = 8;

  static constexpr std::uint32_t SlotOf(std::uint32_t entry) noexcept {
    return entry & (kLapBit - 1);
  }
  static constexpr std::uint32_t TagOf(std::uint32_t entry) noexcept { return entry >> kTagShift; }
  static constexpr std::uint32_t TagOfEpoch(std::uint32_t epoch) noexcept {
    return TagOf(epoch << kTagShift);
  }
  static constexpr std::uint32_t LapOf(std::uint64_t position, std::uint32_t mask) noexcept {
    return (position & (std::uint64_t{mask} + 1)) != 0 ? 0 : kLapBit;
  }

  std::span<const std::byte> Claim() noexcept;
  /// Up to the first packet of that epoch.
  void DropWaiting(std::uint32_t tag) noexcept;
  bool MakeRoom(std::uint64_t head, std::uint32_t control) noexcept;
  std::byte* Draw(std::uint64_t head, std::uint32_t control) noexcept {
    writing_ = pool_->Take();
    if (writing_ == SlotPool::kNone) return Lose(head), nullptr;
    writing_epoch_ = control >> kEpochShift;
    return pool_->At(writing_);
  }
  void Lose(std::uint64_t head) noexcept;
  void RunDry(std::uint64_t tail, std::uint32_t control) noexcept;
  Entry& EntryOf(std::uint64_t position, std::uint32_t mask) const noexcept {
    return reinterpret_cast<Entry*>(const_cast<SlotQueue*>(this) + 1)[position & mask];
  }
  bool Has(std::uint32_t flag) const noexcept { return (reader_control_.load() & flag) != 0; }
  static void Set(Control32& control, std::uint32_t flag, bool on) noexcept;
  /// Stores what the other side waits for, and looks whether it does: by Dekker's scheme, where
  /// Await has the expensive barrier.
  template <typename T>
  static bool Publish(std::atomic<T>& to, T value, const Control32& control) noexcept {
    if ((control.load(std::memory_order_relaxed) & kFullBarriers) != 0) {
      to.store(value);
      return (control.load() & kAwaited) != 0;
    }
    to.store(value, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return (control.load(std::memory_order_relaxed) & kAwaited) != 0;
  }

  // The producer's line; others write its control only.
  alignas(64) std::atomic<std::uint64_t> head_;
  std::uint64_t tail_seen_;
  SlotPool* const pool_;
  const std::uint32_t packet_bytes_;
  const std::uint32_t depth_;
  const std::uint32_t writer_mask_;
  std::uint32_t writing_ = SlotPool::kNone;
  std::uint32_t writing_epoch_ = 0;
  Control32 writer_control_;
  std::atomic<std::uint64_t> overrun_packets_{0};
  std::atomic<std::uint32_t> overrun_events_{0};
  std::uint32_t last_overrun_;  // the head's low bits then
  // The consumer's line; others move its tail on and write its control.
  alignas(64) std::atomic<std::uint64_t> tail_;
  SlotPool* const reader_pool_;
  const std::uint32_t reader_bytes_;
  const std::uint32_t reader_mask_;
  std::atomic<std::uint32_t> held_{SlotPool::kNone};
  Control32 reader_control_;
  std::atomic<std::uint64_t> underrun_packets_{0};
  std::atomic<std::uint32_t> underrun_events_{0};
  std::uint32_t last_underrun_;  // the tail's low bits then
  std::atomic<std::uint32_t> flushed_{0};
  std::atomic<std::uint32_t> quiet_;  // the tail's low bits when nothing was expected to wait
};

static_assert(sizeof(SlotQueue) == 128);

}  // namespace perf::audio

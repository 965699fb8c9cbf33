// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <utility>

#include "libperf/audio/format.hpp"
#include "libperf/audio/slot_queue.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/executor.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

class StreamsState;

struct StreamOptions {
  AudioFormat format;
  /// What one packet holds, in whole frames.
  Duration period = std::chrono::milliseconds(20);
  /// What may wait, rounded up to whole packets.
  Duration buffer = std::chrono::milliseconds(200);
  Overflow overflow = Overflow::kDropNewest;
};

/// What a wait found.
enum class Readiness : std::uint8_t {
  kReady,
  kNotYet,  // the deadline came first
  kClosed,
  kEnded,  // Finish was called, and all is read
};
/// What can be waited for: a packet to read, room for one to write, all to be read.
enum class WaitKind : std::uint8_t { kPacket, kRoom, kDrained };

class StreamWait;

struct StreamCounts {
  std::uint64_t written = 0;  // packets that went in
  std::uint64_t read = 0;     // and out to the reader
  std::uint64_t flushed = 0;
  Xruns overruns;
  Xruns underruns;
};

/// Audio on its way from one producer to one consumer, in packets of one period.
/// Thread safety: BeginWrite, CommitWrite and Write one thread, Peek, Pop, Read and Prefetch one
/// thread; all else any thread. Those allocate nothing and take no lock.
/// Lifetime: by StreamRef. It may outlive its Streams, which close it when they end.
class PERF_EXPORT Stream {
 public:
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Where to put one packet; the same place until CommitWrite. Null: it is lost, because the
  /// buffer is full (an overrun) or the stream is closed.
  std::byte* BeginWrite() noexcept { return queue_.BeginWrite(); }
  /// Requires: BeginWrite gave a place. A packet that was begun before a Flush is dropped by it.
  void CommitWrite() noexcept {
    if (queue_.CommitWrite()) Wake(SlotQueue::Side::kWriter);
  }
  /// One packet of exactly PacketBytes(). False: it is lost.
  bool Write(std::span<const std::byte> packet) noexcept {
    std::byte* const to = packet.size() == PacketBytes() ? BeginWrite() : nullptr;
    if (to == nullptr) return false;
    std::memcpy(to, packet.data(), packet.size());
    CommitWrite();
    return true;
  }

  /// Bytes of any number, put together to packets; what is left over waits for the next Append, or
  /// for Finish. Returns how many bytes are not lost.
  std::size_t Append(std::span<const std::byte> bytes) noexcept;
  /// Bytes that Append needs until a packet is full. Of the writer.
  std::size_t ToPacketEnd() const noexcept {
    return PacketBytes() - (partial_epoch_ == Epoch() ? partial_ : 0);
  }
  /// Nothing follows: a packet that is not full is filled up with silence. What waits is read, and
  /// then its reader is told kEnded. Until Reset.
  void Finish() noexcept;

  /// The oldest packet, which is the reader's until Pop. Empty: there is none (an underrun, once
  /// something was written since the start or the last Flush), or it is paused or closed.
  std::span<const std::byte> Peek() noexcept { return queue_.Peek(); }
  /// Requires: Peek gave a packet.
  void Pop() noexcept {
    if (queue_.Pop()) Wake(SlotQueue::Side::kReader);
  }
  /// The oldest packet into `out`, of exactly PacketBytes(). False: there is none.
  bool Read(std::span<std::byte> out) noexcept {
    const std::span<const std::byte> packet = Peek();
    if (packet.empty() || packet.size() != out.size()) return false;
    std::memcpy(out.data(), packet.data(), packet.size());
    Pop();
    return true;
  }
  /// Tells the processor that the next packet will be read soon.
  void Prefetch() const noexcept { queue_.Prefetch(); }

  /// Parks the thread until it is so. A packet is read by Peek and Pop, room is used by BeginWrite.
  Readiness Wait(WaitKind kind, Deadline deadline);
  /// The same as an awaitable, whose coroutine goes on on the executor; and as a callback there.
  StreamWait WaitOn(Executor& executor, WaitKind kind, Deadline deadline);
  void WaitAsync(WaitKind kind, Deadline deadline, Executor& executor,
                 std::function<void(Readiness)> done);
  /// What Wait would find now: kNotYet if it had to wait.
  Readiness Look(WaitKind kind) const noexcept;
  /// Finish, and waits until all is read. kReady: it is.
  Readiness Drain(Deadline deadline);

  /// Drops what waits: what is begun from now on is of the next epoch.
  void Flush() noexcept;
  /// While it is paused nothing comes out, and no underrun is counted.
  void Pause() noexcept { queue_.SetPaused(true); }
  void Resume() noexcept;
  /// Flush, and neither paused nor finished any more.
  void Reset() noexcept;
  /// For good: what waits is dropped, and who waits is woken.
  void Close() noexcept;

  bool Closed() const noexcept { return queue_.Closed(); }
  bool Paused() const noexcept { return queue_.Paused(); }
  std::uint32_t Epoch() const noexcept { return queue_.Epoch(); }
  bool Finished() const noexcept { return queue_.Draining(); }
  const AudioFormat& Format() const noexcept { return format_; }
  Duration Period() const noexcept { return period_; }
  std::size_t PacketBytes() const noexcept { return queue_.PacketBytes(); }
  /// Packets that may wait, and that do.
  std::uint32_t Depth() const noexcept { return queue_.Depth(); }
  std::uint32_t Fill() const noexcept { return queue_.Fill(); }
  StreamCounts Counts() const noexcept;
  /// By which Streams::Find finds it; never used again.
  std::uint64_t Id() const noexcept { return id_; }
  /// What it takes now, itself included.
  std::uint64_t UsedBytes() const noexcept;
  /// What of the budget is reserved for it.
  std::uint64_t ReservedBytes() const noexcept;
  /// Reserves so much more of the budget for what waits for it elsewhere, of which ReservedBytes
  /// does not tell; false: it is not there. Who reserves gives it back.
  bool ReserveBeside(std::uint64_t bytes) noexcept;
  void ReleaseBeside(std::uint64_t bytes) noexcept;

 private:
  friend class StreamRef;
  friend class StreamsState;
  friend class StreamWaits;
  Stream(StreamsState& home, SlotPool& slots, const StreamOptions& options,
         const SlotQueue::Shape& shape) noexcept;
  ~Stream() = default;
  void Release() noexcept;
  Readiness LookAtFill(WaitKind kind) const noexcept;
  void Wake(SlotQueue::Side side) noexcept;
  void WakeAll() noexcept;

  StreamsState* const home_;
  std::uint64_t id_ = 0;
  std::atomic<std::uint32_t> references_{1};
  // Of the writer: of the packet that Append fills.
  std::uint32_t partial_ = 0;  // bytes
  std::uint32_t partial_epoch_ = 0;
  bool lost_ = false;
  // Of the home's upkeep: for how many ticks nothing has moved.
  std::uint32_t idle_ticks_ = 0;
  std::uint32_t seen_moves_ = 0;
  const AudioFormat format_;
  const Duration period_;
  SlotQueue queue_;  // the last: its ring lies behind it
};

static_assert(sizeof(Stream) == 192);

/// Keeps a stream.
/// Thread safety: as std::shared_ptr: copies may be used at the same time, one of them may not.
class PERF_EXPORT StreamRef {
 public:
  StreamRef() noexcept = default;
  StreamRef(const StreamRef& other) noexcept : stream_(other.stream_) {
    if (stream_ != nullptr) stream_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  StreamRef(StreamRef&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  StreamRef& operator=(StreamRef other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }
  ~StreamRef() {
    if (stream_ != nullptr) stream_->Release();
  }
  explicit operator bool() const noexcept { return stream_ != nullptr; }
  Stream& operator*() const noexcept { return *stream_; }
  Stream* operator->() const noexcept { return stream_; }
  Stream* Get() const noexcept { return stream_; }

 private:
  friend class Stream;
  friend class StreamsState;
  explicit StreamRef(Stream* stream) noexcept : stream_(stream) {}
  Stream* stream_ = nullptr;
};

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "libperf/audio/format.hpp"
#include "libperf/audio/slot_queue.hpp"
#include "libperf/base/clock.hpp"
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
  void CommitWrite() noexcept { queue_.CommitWrite(); }
  /// One packet of exactly PacketBytes(). False: it is lost.
  bool Write(std::span<const std::byte> packet) noexcept {
    std::byte* const to = packet.size() == PacketBytes() ? BeginWrite() : nullptr;
    if (to == nullptr) return false;
    std::memcpy(to, packet.data(), packet.size());
    CommitWrite();
    return true;
  }

  /// The oldest packet, which is the reader's until Pop. Empty: there is none (an underrun, once
  /// something was written since the start or the last Flush), or it is paused or closed.
  std::span<const std::byte> Peek() noexcept { return queue_.Peek(); }
  /// Requires: Peek gave a packet.
  void Pop() noexcept { queue_.Pop(); }
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

  /// Drops what waits: what is begun from now on is of the next epoch.
  void Flush() noexcept { queue_.Flush(); }
  void Pause() noexcept { queue_.SetPaused(true); }
  void Resume() noexcept { queue_.SetPaused(false); }
  /// For good: what waits is dropped.
  void Close() noexcept { queue_.Close(); }

  bool Closed() const noexcept { return queue_.Closed(); }
  bool Paused() const noexcept { return queue_.Paused(); }
  std::uint32_t Epoch() const noexcept { return queue_.Epoch(); }
  const AudioFormat& Format() const noexcept { return format_; }
  Duration Period() const noexcept { return period_; }
  std::size_t PacketBytes() const noexcept { return queue_.PacketBytes(); }
  /// Packets that may wait, and that do.
  std::uint32_t Depth() const noexcept { return queue_.Depth(); }
  std::uint32_t Fill() const noexcept { return queue_.Fill(); }
  StreamCounts Counts() const noexcept;
  /// What of the budget is reserved for it.
  std::uint64_t ReservedBytes() const noexcept;

 private:
  friend class StreamRef;
  friend class StreamsState;
  Stream(StreamsState& home, SlotPool& slots, const StreamOptions& options,
         const SlotQueue::Shape& shape) noexcept;
  ~Stream() = default;
  void Release() noexcept;

  StreamsState* const home_;
  std::atomic<std::uint32_t> references_{1};
  std::uint32_t place_ = 0;  // in the home's list
  const AudioFormat format_;
  const Duration period_;
  SlotQueue queue_;  // the last: its ring lies behind it
};

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
  friend class StreamsState;
  explicit StreamRef(Stream* stream) noexcept : stream_(stream) {}
  Stream* stream_ = nullptr;
};

}  // namespace perf::audio

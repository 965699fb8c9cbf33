// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "libperf/audio/pace_wheel.hpp"
#include "libperf/bench/audio_packet.hpp"

namespace perf::bench {

/// Both ends of a stream of test packets, over whatever has BeginWrite, CommitWrite, Peek, Pop and
/// Prefetch as audio::Stream has. Each end belongs to one thread.

/// What the writers of one thread count.
struct alignas(128) WriteTally {
  std::uint64_t written = 0;
  std::uint64_t overrun_frames = 0, overrun_events = 0;
};

/// What the readers of one thread count.
struct alignas(128) ReadTally {
  PacketTally packets;
  std::uint64_t underrun_frames = 0, underrun_events = 0;
};

template <typename Buffer>
class WriteEnd {
 public:
  WriteEnd(Buffer& buffer, const TestPackets& packets, WriteTally& tally, std::uint32_t stream)
      : buffer_(&buffer), packets_(&packets), tally_(&tally), stream_(stream) {}

  /// The next packet; when there is no room for it, it is lost, as sound of real time is.
  void Write() noexcept {
    std::byte* const packet = buffer_->BeginWrite();
    if (packet != nullptr) {
      packets_->Fill(packet, stream_, number_);
      buffer_->CommitWrite();
      ++tally_->written;
    } else {
      ++tally_->overrun_frames;
      if (!full_) ++tally_->overrun_events;
    }
    full_ = packet == nullptr;
    ++number_;
  }

 private:
  Buffer* buffer_;
  const TestPackets* packets_;
  WriteTally* tally_;
  std::uint64_t number_ = 0;
  std::uint32_t stream_;
  bool full_ = false;
};

template <typename Buffer>
class ReadEnd {
 public:
  ReadEnd(Buffer& buffer, const TestPackets& packets, ReadTally& tally, std::uint32_t stream)
      : buffer_(&buffer), packets_(&packets), tally_(&tally), stream_(stream) {}

  /// The packet that is due.
  void Read() noexcept {
    const std::span<const std::byte> packet = buffer_->Peek();
    const bool dry = packet.size() != packets_->Bytes();
    if (dry) {
      ++tally_->underrun_frames;
      if (!dry_) ++tally_->underrun_events;
    } else {
      tally_->packets.Count(packets_->Look(packet.data()), stream_, next_);
      buffer_->Pop();
    }
    dry_ = dry;
  }

 private:
  Buffer* buffer_;
  const TestPackets* packets_;
  ReadTally* tally_;
  std::uint64_t next_ = 0;
  std::uint32_t stream_;
  bool dry_ = false;
};

/// A writer that writes `burst` packets each time it is due.
template <typename Buffer>
class Writer final : public audio::Paced {
 public:
  Writer(const WriteEnd<Buffer>& end, std::uint32_t burst) : end_(end), burst_(burst) {}
  void OnDue(TimePoint) noexcept override { Write(burst_); }
  void Write(std::size_t packets) noexcept {
    for (; packets > 0; --packets) end_.Write();
  }

 private:
  WriteEnd<Buffer> end_;
  std::uint32_t burst_;
};

template <typename Buffer>
class Reader final : public audio::Paced {
 public:
  explicit Reader(const ReadEnd<Buffer>& end) : end_(end) {}
  void OnDue(TimePoint) noexcept override { end_.Read(); }

 private:
  ReadEnd<Buffer> end_;
};

/// Both ends on one thread: writes a packet, and reads the oldest.
template <typename Buffer>
class Inline final : public audio::Paced {
 public:
  Inline(Writer<Buffer>& writer, Reader<Buffer>& reader) : writer_(writer), reader_(reader) {}
  void OnDue(TimePoint due) noexcept override {
    writer_.OnDue(due);
    reader_.OnDue(due);
  }

 private:
  Writer<Buffer>& writer_;
  Reader<Buffer>& reader_;
};

/// What shows the tool's own noise.
class Nothing final : public audio::Paced {
 public:
  void OnDue(TimePoint) noexcept override {}
};

}  // namespace perf::bench

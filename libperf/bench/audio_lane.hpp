// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libperf/bench/audio_ends.hpp"
#include "libperf/load/audio_result.hpp"

namespace perf::bench {

/// Who writes the packets of a stream.
enum class AudioProducer : std::uint8_t {
  kThread,  // another thread on the same core, one packet a period
  kInline,  // the reader's own thread
  kBurst,   // another thread, a third of a buffer at a time
  kRtp,     // real UDP: a socket on the same core, one packet a period (not the lane's writers)
};

/// How packets flow through streams.
struct FlowShape {
  AudioProducer producer = AudioProducer::kThread;
  Duration period = std::chrono::milliseconds(20);
  std::uint32_t depth = 10;  // of the buffer, packets
  std::uint32_t fill = 5;    // that wait when it begins

  /// A third: with a half of the buffer filled, a burst may come early or late by a sixth.
  std::uint32_t Burst() const noexcept {
    return producer == AudioProducer::kBurst ? std::max(1U, depth / 3) : 1;
  }
  Duration WritersPeriod() const noexcept { return period * static_cast<int>(Burst()); }
};

/// Both ends of many streams, and what they count, for each core apart.
/// Thread safety: none but that of the ends. Lifetime: borrows buffers and packets.
template <typename Buffer>
class AudioLane {
 public:
  AudioLane(std::span<Buffer* const> buffers, const TestPackets& packets, const FlowShape& shape,
            std::size_t cores)
      : shape_(shape), reads_(cores), writes_(cores) {
    const std::size_t count = buffers.size();
    writers_.reserve(count);
    readers_.reserve(count);
    if (shape.producer == AudioProducer::kInline) inlines_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto stream = static_cast<std::uint32_t>(i);
      writers_.emplace_back(WriteEnd<Buffer>(*buffers[i], packets, writes_[i % cores], stream),
                            shape.Burst());
      readers_.emplace_back(ReadEnd<Buffer>(*buffers[i], packets, reads_[i % cores], stream));
      if (shape.producer != AudioProducer::kInline) {
        paced_writers_.push_back(&writers_.back());
        paced_readers_.push_back(&readers_.back());
      } else {
        inlines_.emplace_back(writers_.back(), readers_.back());
        paced_readers_.push_back(&inlines_.back());
      }
    }
  }
  AudioLane(const AudioLane&) = delete;
  AudioLane& operator=(const AudioLane&) = delete;

  void Prefill() {
    for (auto& writer : writers_) writer.Write(shape_.fill);
  }
  /// What is to be paced; with kInline the readers write, too.
  std::span<audio::Paced* const> Readers() const noexcept { return paced_readers_; }
  std::span<audio::Paced* const> Writers() const noexcept { return paced_writers_; }

  /// How many were due at the readers. Requires: no end runs.
  std::uint64_t Frames() const noexcept {
    std::uint64_t frames = 0;
    for (const ReadTally& tally : reads_) frames += tally.packets.Seen() + tally.underrun_frames;
    return frames;
  }
  /// Adds to what was counted so far. Requires: no end runs.
  void Count(load::AudioResult& result) const {
    PacketTally packets;
    for (const ReadTally& tally : reads_) {
      packets.Merge(tally.packets);
      result.underruns.frames += tally.underrun_frames;
      result.underruns.events += tally.underrun_events;
    }
    for (const WriteTally& tally : writes_) {
      result.overruns.frames += tally.overrun_frames;
      result.overruns.events += tally.overrun_events;
    }
    result.lost += packets.lost;
    result.torn += packets.torn;
    result.leaked += packets.leaked;
    result.repeated += packets.repeated;
  }

 private:
  const FlowShape shape_;
  std::vector<ReadTally> reads_;
  std::vector<WriteTally> writes_;
  std::vector<Writer<Buffer>> writers_;
  std::vector<Reader<Buffer>> readers_;
  std::vector<Inline<Buffer>> inlines_;
  std::vector<audio::Paced*> paced_readers_, paced_writers_;
};

}  // namespace perf::bench

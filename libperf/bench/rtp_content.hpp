// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libperf/audio/format.hpp"
#include "libperf/audio/rtp/payload.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/bench/audio_packet.hpp"

namespace perf::bench {

/// How often sockets are looked at, and between which streams of a period are spread.
inline constexpr Duration kRtpTick = std::chrono::milliseconds(1);

/// What the packets of RTP streams are like.
struct RtpShape {
  audio::RtpPayload payload = *audio::ParsePayload("PCMU/8000");
  std::uint8_t type = 0;
  Duration period = std::chrono::milliseconds(20);

  audio::AudioFormat Format() const {
    return {audio::SampleType::kS16, payload.clock_rate, payload.channels};
  }
  std::size_t Frames() const { return Format().FramesIn(period); }
  std::size_t Bytes() const { return Frames() * payload.BytesPerFrame(); }
};

/// What they carry: sound that a listener can play, or packets that tell on reception whose they
/// are.
/// Thread safety: const methods all.
class RtpContent {
 public:
  /// A sound file, again and again, converted to what the payload needs; or, where there is none, a
  /// tone of 440 Hz. Throws: ConfigError.
  static RtpContent Sound(const RtpShape& shape, const std::string& file);
  static RtpContent Test(TestPackets packets);

  /// The payload of a stream's packet: its own bytes, or made in `room`.
  std::span<const std::byte> Payload(std::span<std::byte> room, std::uint32_t stream,
                                     std::uint64_t number) const noexcept;
  /// Bytes of room that Payload needs.
  std::size_t Room() const noexcept { return test_ ? test_->Bytes() : 0; }
  /// Nothing for sound.
  const TestPackets* AsTest() const noexcept { return test_ ? &*test_ : nullptr; }

 private:
  explicit RtpContent(std::size_t bytes) : bytes_(bytes) {}

  std::size_t bytes_;
  std::vector<std::byte> sound_;  // whole packets
  std::optional<TestPackets> test_;
};

}  // namespace perf::bench

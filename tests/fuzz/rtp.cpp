// SPDX-License-Identifier: Apache-2.0
// RTP packets: whatever comes in is a packet within its bytes, or none; what follows from a
// sequence of them (reception, jitter buffer) keeps its promises.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "libperf/audio/jitter_buffer.hpp"
#include "libperf/audio/rtp/packet.hpp"
#include "libperf/audio/rtp/reception.hpp"
#include "tests/fuzz/require.hpp"

using namespace perf::audio;
using perf::fuzz::Require;

namespace {

void TryPacket(std::span<const std::byte> bytes) {
  RtpPacket packet;
  if (ParseRtp(bytes, packet) == RtpFault::kNone) {
    Require(RtpBytes(packet) == bytes.size(), "all bytes belong to something");
    std::vector<std::byte> again(bytes.size());
    Require(BuildRtp(packet, again) == bytes.size(), "what was read can be written");
    RtpPacket same;
    Require(ParseRtp(again, same) == RtpFault::kNone && same.padding == packet.padding &&
                std::ranges::equal(same.payload, packet.payload) &&
                std::ranges::equal(same.extension, packet.extension),
            "and read again");
  }
  RtpPacket cut;
  if (ParseRtp(bytes, cut, false) == RtpFault::kNone) {
    Require(cut.payload.size() <= bytes.size(), "no more than there is");
  }
}

/// Bytes as the packets and pulls of a line, 8 bytes each.
void TryLine(std::span<const std::byte> bytes) {
  JitterBufferOptions options;
  options.max_packets = 8;
  JitterBuffer buffer(options);
  Reception reception(8000);
  std::vector<std::int16_t> samples(320), out(320);
  perf::TimePoint now;
  std::uint64_t packets = 0, puts = 0;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
    now += std::chrono::milliseconds(byte(0) % 64);
    // Mostly the next one; sometimes anywhere.
    sequence =
        static_cast<std::uint16_t>(byte(1) < 200 ? sequence + byte(1) % 3 : byte(2) << 8 | byte(3));
    timestamp = byte(1) < 220 ? timestamp + 160 * (byte(2) % 4)
                              : byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    const std::size_t frames = byte(3) % 2 == 0 ? 160 : byte(4) % 160;
    buffer.Push({byte(6) / 128, timestamp, sequence, std::span(samples).first(frames)}, now);
    reception.Add(sequence, timestamp, now - perf::TimePoint(), frames);
    ++packets;
    for (unsigned pulls = byte(7) % 3; pulls > 0; --pulls) {
      buffer.Pull(now, std::span(out).first(1 + byte(5) % 320));
      ++puts;
    }
    Require(buffer.SamplesAhead() < 2 * 8000, "what waits is bounded");
  }
  const JitterBufferStats stats = buffer.Stats();
  Require(stats.packets == packets, "all packets are counted");
  Require(stats.total_samples <= 320 * puts, "no more was played than asked for");
  Require(stats.total_samples == stats.jitter_buffer_emitted_count + stats.concealed_samples +
                                     stats.dtx_samples + stats.inserted_samples -
                                     stats.removed_samples,
          "all that was played is accounted for");
  const ReceptionStats received = reception.Stats();
  Require(received.packets == packets, "all packets are counted");
  Require(received.reordered + received.duplicates + received.strays <= packets, "once at most");
  Require(received.lost <= packets * 65'536, "a loss is between two packets");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  TryPacket(bytes);
  TryLine(bytes.first(std::min<std::size_t>(size, 8 * 512)));
  return 0;
}

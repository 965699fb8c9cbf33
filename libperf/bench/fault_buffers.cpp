// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <thread>

#include "libperf/audio/mirror_ring.hpp"
#include "libperf/audio/slab/slot_pool.hpp"
#include "libperf/audio/slot_queue.hpp"
#include "libperf/bench/audio_packet.hpp"
#include "libperf/bench/fault_case.hpp"

namespace perf::bench {
namespace {

using Bytes = std::vector<std::byte>;
constexpr Duration kPatience = std::chrono::seconds(20);

/// Right in front of where 32 and 64 bits end.
constexpr std::uint64_t kStarts[] = {(std::uint64_t{1} << 32U) - 100, ~std::uint64_t{0} - 99};
constexpr int kWraps = 10;

void CheckTally(const PacketTally& tally, std::uint64_t written, const char* where,
                FaultCase& found) {
  found.Expect(tally.whole == written && tally.torn + tally.leaked + tally.repeated == 0,
               fmt::format("{}: of {} packets {} came whole, {} torn", where, written, tally.whole,
                           tally.torn));
}

void WrapQueue(std::uint32_t packet_bytes, std::uint32_t depth, std::uint64_t start,
               FaultCase& found) {
  audio::SlotPool pool(packet_bytes, depth + 2 + audio::SlotPool::kSpare);
  const std::align_val_t alignment{alignof(audio::SlotQueue)};
  void* const memory = ::operator new(audio::SlotQueue::BytesFor(depth), alignment);
  audio::SlotQueue& queue = *new (memory) audio::SlotQueue(
      pool, {packet_bytes, depth, audio::Overflow::kDropNewest, start});
  const TestPackets packets(packet_bytes);
  PacketTally tally;
  std::uint64_t written = 0, next = 0;
  // The counters of a queue of packets wrap after a hundred of them.
  for (std::uint64_t i = 0; i < 100 + std::uint64_t{kWraps} * depth; ++i) {
    while (std::byte* const to = queue.BeginWrite()) {
      packets.Fill(to, 1, written++);
      queue.CommitWrite();
    }
    found.Expect(queue.Fill() == depth, "a queue that takes no more is not full");
    tally.Count(packets.Look(queue.Peek().data()), 1, next);
    queue.Pop();
  }
  CheckTally(tally, next, "slots", found);
  found.Expect(queue.Written() == start + written, "the counter did not run freely");
  queue.~SlotQueue();
  ::operator delete(memory, alignment);
}

void WrapMirror(std::size_t bytes, std::uint64_t start, bool plain, FaultCase& found) {
  constexpr std::size_t kPacket = 320;
  audio::MirrorRing ring({bytes, 2, kPacket, plain, start});
  const TestPackets packets(kPacket);
  PacketTally tally;
  std::uint64_t written = 0, next = 0;
  for (std::size_t through = 0; through < kWraps * ring.Capacity(); through += kPacket) {
    for (auto room = ring.BeginWrite(kPacket); room.size() == kPacket;
         room = ring.BeginWrite(kPacket)) {
      packets.Fill(room.data(), 1, written++);
      ring.CommitWrite(kPacket);
    }
    const auto seen = ring.Peek(kPacket);
    found.Expect(seen.size() == kPacket, "a full ring gives nothing");
    if (seen.size() != kPacket) return;
    tally.Count(packets.Look(seen.data()), 1, next);
    ring.Pop(kPacket);
  }
  CheckTally(tally, next, "mirror", found);
}

}  // namespace

// libsoundio #160 and #276, sherpa-onnx #3635, moq PR 3127: signed or 32-bit positions.
void FaultIndexWrap(FaultCase& found) {
  for (const std::uint64_t start : kStarts) {
    WrapQueue(960, 10, start, found);  // 9600 bytes
    WrapQueue(1024, 8, start, found);  // 8192
    for (const bool plain : {false, true}) {
      WrapMirror(9600, start, plain, found);
      WrapMirror(8192, start, plain, found);
    }
  }
}

// JACK #388, #715 and PR 886: publishing without release, reading without acquire.
void FaultMemoryOrder(FaultCase& found) {
  const LoneStream lone;
  audio::Stream& stream = *lone.stream;
  const TestPackets packets(stream.PacketBytes());
  const std::uint64_t count = found.Rounds() * 50;
  const Deadline deadline = Deadline::After(Clock::now(), kPatience);
  std::thread writer([&] {
    for (std::uint64_t number = 0; number < count;) {
      // Fill first: a full stream counts a try as an overrun.
      if (stream.Fill() >= stream.Depth()) {
        if (stream.Wait(audio::WaitKind::kRoom, deadline) != audio::Readiness::kReady) return;
        continue;
      }
      packets.Fill(stream.BeginWrite(), 1, number++);
      stream.CommitWrite();
    }
  });
  PacketTally tally;
  for (std::uint64_t next = 0; next < count;) {
    if (stream.Wait(audio::WaitKind::kPacket, deadline) != audio::Readiness::kReady) break;
    tally.Count(packets.Look(stream.Peek().data()), 1, next);
    stream.Pop();
  }
  writer.join();
  CheckTally(tally, count, "two threads", found);
  found.Expect(tally.lost == 0, "packets were lost between two threads");
}

// pipecat PR 4952 and 5090, hermes-agent PR 70851, piper1-gpl #253: half a sample, then noise.
void FaultOddBytes(FaultCase& found) {
  audio::StreamOptions options;
  options.buffer = std::chrono::seconds(2);
  const LoneStream lone(options);
  audio::Stream& stream = *lone.stream;
  const Bytes in = Pattern(stream.PacketBytes() * 40);
  Bytes out, packet(stream.PacketBytes());
  const auto drain = [&] {
    while (stream.Fill() > 0 && stream.Read(packet)) {
      out.insert(out.end(), packet.begin(), packet.end());
    }
  };
  constexpr std::size_t kChunks[] = {1, 2, 3, 4063, 1697};
  std::size_t at = 0;
  for (std::size_t i = 0; at < in.size(); ++i) {
    const std::size_t size = std::min(kChunks[i % std::size(kChunks)], in.size() - at);
    found.Expect(stream.Append(std::span(in).subspan(at, size)) == size, "an append lost bytes");
    at += size;
    drain();
  }
  found.Expect(out == in, "what came out is not what went in");
  // What was begun goes with a reset, and is nobody else's.
  out.clear();
  stream.Append(std::span(in).first(333));
  stream.Reset();
  stream.Append(std::span(in).first(packet.size()));
  drain();
  found.Expect(out == Bytes(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(packet.size())),
               "bytes from before a reset came out after it");
}

// OwnAudioSharp #39: a ring that dropped half a frame turned all channels for ever.
void FaultPartialFrame(FaultCase& found) {
  constexpr unsigned kChannels = 12;
  constexpr std::size_t kFrame = 2 * std::size_t{kChannels};
  const auto right = [](std::span<const std::byte> bytes) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
      if (bytes[i] != std::byte(i / 2 % kChannels)) return false;
    }
    return bytes.size() % kFrame == 0;
  };
  Bytes frames(100'001 * kFrame);
  for (std::size_t i = 0; i < frames.size(); i += 2) frames[i] = std::byte(i / 2 % kChannels);
  audio::StreamOptions options;
  options.format = audio::AudioFormat(audio::SampleType::kS16, 48'000, kChannels);
  for (const audio::Overflow overflow :
       {audio::Overflow::kDropNewest, audio::Overflow::kDropOldest}) {
    options.overflow = overflow;
    const LoneStream lone(options);
    Bytes packet(lone.stream->PacketBytes());
    std::span<const std::byte> rest(frames);
    for (std::size_t size = 1; !rest.empty(); size = (size * 7 + 5) % 300'000 + 1) {
      const std::size_t now = std::min(size, rest.size());
      lone.stream->Append(rest.first(now));
      rest = rest.subspan(now);
      while (lone.stream->Fill() > 4 && lone.stream->Read(packet)) {
        found.Expect(right(packet), "a packet whose channels are turned");
      }
    }
    found.Expect(lone.stream->Counts().overruns.packets > 0, "nothing overflowed");
  }
  audio::MirrorRing ring({10'000, kFrame, 0, false, 0});
  for (std::size_t size = 50; size < 30'000; size += 1001) {
    ring.Write(std::span(frames).first(size - size % kFrame));
    const auto seen = ring.Peek(size / 3 - size / 3 % kFrame);
    found.Expect(right(seen), "a ring whose channels are turned");
    ring.Pop(seen.size());
  }
  found.Expect(ring.Overruns().packets > 0, "the ring did not overflow");
}

// willemt/cbuffer, falco PR 673, ddprof PR 474; and memory that a compiler takes for two.
void FaultMirror(FaultCase& found) {
  for (const bool plain : {false, true}) {
    audio::MirrorRing ring({4096, 960, 960, plain, 0});
    const TestPackets packets(960);
    PacketTally tally;
    std::uint64_t next = 0;
    const std::uint64_t count = found.Rounds() * 100;
    for (std::uint64_t number = 0; number < count; ++number) {
      const auto room = ring.BeginWrite(960);
      if (room.size() != 960) break;
      packets.Fill(room.data(), 1, number);
      ring.CommitWrite(960);
      tally.Count(packets.Look(ring.Peek(960).data()), 1, next);
      ring.Pop(960);
    }
    CheckTally(tally, count, plain ? "plain" : "mirrored", found);
  }
  // A process has about 65,000 mappings, and each mirror takes two.
  constexpr std::size_t kRings = 40'000;
  std::vector<std::unique_ptr<audio::MirrorRing>> rings;
  std::size_t mirrored = 0;
  for (std::size_t i = 0; i < kRings; ++i) {
    rings.push_back(
        std::make_unique<audio::MirrorRing>(audio::MirrorRing::Options{4096, 960, 960, false, 0}));
    mirrored += rings.back()->Its() == audio::MirrorRing::Kind::kMirrored ? 1 : 0;
  }
  const Bytes packet = Pattern(960);
  for (std::size_t i = 0; i < kRings; i += 997) {
    found.Expect(rings[i]->Write(packet) == 960, "one of 40,000 rings takes nothing");
  }
  found.Note(fmt::format("{} of {} rings mirrored", mirrored, kRings));
}

}  // namespace perf::bench

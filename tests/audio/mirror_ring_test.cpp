// SPDX-License-Identifier: Apache-2.0
// Compiled with -O3, with the ring's own source, where a compiler takes two addresses for two
// memories.
#include "libperf/audio/mirror_ring.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

using namespace perf::audio;

namespace {

std::byte ByteAt(std::uint64_t position) {
  return std::byte(static_cast<unsigned char>((position * 0x9e3779b97f4a7c15U) >> 56U));
}

void Check(MirrorRing& ring, std::size_t packet, std::uint64_t& in, std::uint64_t& out,
           std::uint64_t& wrong) {
  const std::span<std::byte> room = ring.BeginWrite(packet);
  for (std::byte& byte : room) byte = ByteAt(in++);
  ring.CommitWrite(room.size());
  const std::span<const std::byte> ready = ring.Peek(packet);
  for (const std::byte byte : ready) wrong += byte != ByteAt(out++) ? 1 : 0;
  ring.Pop(ready.size());
}

}  // namespace

// libsoundio #160, sherpa-onnx #3635; willemt/cbuffer's poll never wraps its head.
TEST_CASE("mirror ring: counters wrap at 2^32 and at 2^64, whatever the size") {
  for (const std::uint64_t start : {(std::uint64_t{1} << 32) - 100, std::uint64_t{0} - 100}) {
    for (const std::size_t bytes : {std::size_t{9600}, std::size_t{8192}}) {
      for (const bool plain : {false, true}) {
        MirrorRing ring({bytes, 2, 0, plain, start});
        std::uint64_t in = 0, out = 0, wrong = 0;
        while (in < 10 * bytes) Check(ring, 962, in, out, wrong);
        CHECK(in == out);
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("mirror ring: 100,000 wraps, written and looked at in one thread") {
  for (const bool plain : {false, true}) {
    MirrorRing ring({4096, 1, 960, plain});
    CHECK(ring.Its() == (plain ? MirrorRing::Kind::kPlain : MirrorRing::Kind::kMirrored));
    std::uint64_t in = 0, wrong = 0;
    std::vector<std::byte> packet(960);
    while (in < std::uint64_t{100'000} * 4096) {
      std::memset(packet.data(), static_cast<int>(in / 960 % 251), packet.size());
      REQUIRE(ring.Write(packet) == 960);
      const std::span<const std::byte> ready = ring.Peek(960);
      REQUIRE(ready.size() == 960);
      if (std::memcmp(ready.data(), packet.data(), 960) != 0) ++wrong;
      ring.Pop(960);
      in += 960;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("mirror ring: spans of any length, committed in part") {
  perf::Random random(3);
  for (const bool plain : {false, true}) {
    for (int round = 0; round < 50; ++round) {
      const auto frame = static_cast<std::size_t>(random.Int(1, 24));
      const std::size_t bytes = frame * static_cast<std::size_t>(random.Int(1, 300));
      MirrorRing ring({bytes, frame, 0, plain, random.Next()});
      std::uint64_t in = 0, out = 0, wrong = 0;
      for (int step = 0; step < 400; ++step) {
        const auto some = [&](std::size_t most) {
          return static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(most / frame))) *
                 frame;
        };
        const std::span<std::byte> room = ring.BeginWrite(some(bytes));
        REQUIRE(room.size() % frame == 0);
        for (std::size_t i = 0; i < room.size(); ++i) room[i] = ByteAt(in + i);
        const std::size_t used = some(room.size());
        ring.CommitWrite(used);
        in += used;
        const std::span<const std::byte> ready = ring.Peek(some(bytes));
        for (std::size_t i = 0; i < ready.size(); ++i) wrong += ready[i] != ByteAt(out + i) ? 1 : 0;
        const std::size_t taken = some(ready.size());
        ring.Pop(taken);
        out += taken;
        REQUIRE(ring.Fill() == in - out);
      }
      CHECK(wrong == 0);
    }
  }
}

// OwnAudioSharp #39: a count of raw samples was dropped, and all channels were rotated for ever.
TEST_CASE("mirror ring: an overflow loses whole frames of 12 channels") {
  for (const bool plain : {false, true}) {
    constexpr std::size_t kFrame = 24;
    MirrorRing ring({kFrame * 10, kFrame, 0, plain});
    std::vector<std::byte> frames(kFrame * 7);
    for (std::size_t i = 0; i < frames.size(); ++i) frames[i] = std::byte(i % kFrame);
    CHECK(ring.Write(frames) == kFrame * 7);
    CHECK(ring.Write(frames) == kFrame * 3);
    CHECK(ring.Write(frames) == 0);
    CHECK(ring.Overruns().packets == 11);
    CHECK(ring.Overruns().events == 1);
    const auto ready = ring.Peek(kFrame * 10 + 5);
    REQUIRE(ready.size() == kFrame * 10);
    for (std::size_t i = 0; i < ready.size(); ++i) REQUIRE(ready[i] == std::byte(i % kFrame));
  }
}

TEST_CASE("mirror ring: two threads") {
  for (const bool plain : {false, true}) {
    MirrorRing ring({9600, 2, 960, plain});
    constexpr std::uint64_t kBytes = 960 * 20'000;
    std::thread producer([&] {
      for (std::uint64_t in = 0; in < kBytes;) {
        const std::span<std::byte> room = ring.BeginWrite(960);
        for (std::byte& byte : room) byte = ByteAt(in++);
        ring.CommitWrite(room.size());
        if (room.empty()) std::this_thread::yield();
      }
    });
    std::uint64_t out = 0, wrong = 0;
    while (out < kBytes) {
      const std::span<const std::byte> ready = ring.Peek(960);
      for (const std::byte byte : ready) wrong += byte != ByteAt(out++) ? 1 : 0;
      ring.Pop(ready.size());
      if (ready.empty()) std::this_thread::yield();
    }
    producer.join();
    CHECK(wrong == 0);
  }
}

// A process has about 65,000 mappings: ring 32,752 failed.
TEST_CASE("mirror ring: 40,000 of them, and the environment that forbids mirrors") {
  std::vector<std::unique_ptr<MirrorRing>> rings;
  std::size_t mirrored = 0;
  for (int i = 0; i < 40'000; ++i) {
    rings.push_back(std::make_unique<MirrorRing>(MirrorRing::Options{4096, 2, 960}));
    mirrored += rings.back()->Its() == MirrorRing::Kind::kMirrored ? 1U : 0U;
  }
  CHECK(mirrored <= MirrorRing::kMostMirrored);
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < rings.size(); i += 997) {
    std::uint64_t in = 0, out = 0;
    while (in < 3 * 4096) Check(*rings[i], 960, in, out, wrong);
  }
  CHECK(wrong == 0);
  rings.clear();
  CHECK(MirrorRing({4096}).Its() == MirrorRing::Kind::kMirrored);  // the count went down again
  setenv("PERFKIT_AUDIO_MIRROR", "off", 1);
  CHECK(MirrorRing({4096}).Its() == MirrorRing::Kind::kPlain);
  unsetenv("PERFKIT_AUDIO_MIRROR");
  CHECK_THROWS_AS(MirrorRing({0}), perf::ConfigError);
  CHECK_THROWS_AS(MirrorRing({100, 200}), perf::ConfigError);
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/frame_carry.hpp"

#include <doctest/doctest.h>

#include "libperf/base/random.hpp"
#include "tests/audio/tone.hpp"

using namespace perf::audio;
using test::Bytes;

namespace {

Bytes Noise(std::size_t size) {
  perf::Random random(size);
  Bytes noise(size);
  for (std::byte& byte : noise) byte = std::byte(random.Next() & 0xFF);
  return noise;
}

}  // namespace

TEST_CASE("chunks of odd sizes come out as the same whole frames") {
  const Bytes noise = Noise(100'000);
  for (const char* text : {"s16:24000:1", "ulaw:8000:1", "s24:48000:1", "s16:48000:12",
                           "f32:48000:32", "s24:8000:31"}) {
    CAPTURE(text);
    const auto format = AudioFormat::Parse(text);
    for (const std::size_t chunk : {1U, 2U, 3U, 4063U, 1697U, 100'000U}) {
      CAPTURE(chunk);
      FrameCarry carry(format);
      Bytes out;
      for (std::size_t at = 0; at < noise.size(); at += chunk) {
        int calls = 0;
        carry.Feed(std::span(noise).subspan(at, std::min(chunk, noise.size() - at)),
                   [&](std::span<const std::byte> frames) {
                     REQUIRE(format.IsWhole(frames.size()));
                     REQUIRE(!frames.empty());
                     ++calls;
                     out.insert(out.end(), frames.begin(), frames.end());
                   });
        REQUIRE(calls <= 2);
      }
      CHECK(carry.Pending() == noise.size() % format.BytesPerFrame());
      CHECK(out.size() + carry.Pending() == noise.size());
      CHECK(std::equal(out.begin(), out.end(), noise.begin()));
    }
  }
}

TEST_CASE("what waits is the stream's own, and forgotten by a reset") {
  const Bytes noise = Noise(8);
  FrameCarry one(AudioFormat::Parse("s16:24000:2")), other(AudioFormat::Parse("s16:24000:2"));
  const auto none = [](std::span<const std::byte>) { FAIL("no frame is whole yet"); };
  one.Feed(std::span(noise).first(3), none);
  other.Feed(std::span(noise).first(1), none);
  CHECK(one.Pending() == 3);
  CHECK(other.Pending() == 1);
  one.Feed({}, none);
  one.Reset();
  CHECK(one.Pending() == 0);
  Bytes out;
  one.Feed(noise, [&](std::span<const std::byte> frames) {
    out.insert(out.end(), frames.begin(), frames.end());
  });
  CHECK(out == noise);
}

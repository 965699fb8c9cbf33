// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/format.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "libperf/base/error.hpp"

using namespace perf::audio;
using perf::Duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::string Refusal(const std::string& text) {
  try {
    AudioFormat::Parse(text);
    return "";
  } catch (const perf::ConfigError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a format is read and written") {
  for (const char* text : {"s16:24000:1", "s24:44100:2", "s32:96000:12", "f32:48000:32",
                           "ulaw:8000:1", "alaw:8000:2", "s16:1000:1", "s16:768000:1"}) {
    CHECK(AudioFormat::Parse(text).ToString() == text);
  }
  CHECK(AudioFormat::Parse("s24:44100:2") == AudioFormat(SampleType::kS24, 44'100, 2));
  CHECK(AudioFormat::Parse("ulaw:8000") == AudioFormat(SampleType::kUlaw, 8000, 1));
  CHECK(AudioFormat() == AudioFormat::Parse("s16:24000:1"));
}

TEST_CASE("nonsense is refused, and what was meant is said") {
  for (const char* text : {"",
                           ":",
                           "::",
                           "s16",
                           "s16:",
                           "s16:24000:",
                           "s16:24000:1:",
                           "s16:24000:1:1",
                           "s16:0:1",
                           "s16:999:1",
                           "s16:768001:1",
                           "s16:-8000:1",
                           "s16:8e3:1",
                           "s16:8000.0:1",
                           "s16: 8000:1",
                           "s16:24000:0",
                           "s16:24000:33",
                           "s16:24000:-1",
                           "s16:24000:256",
                           "s16:24000:4294967297",
                           "s16:99999999999999999999:1",
                           "S16:8000:1",
                           "u8:8000:1",
                           "s17:8000:1",
                           "24000:s16:1"}) {
    CAPTURE(text);
    CHECK(!Refusal(text).empty());
  }
  CHECK(Refusal("ulow:8000:1").find("did you mean ulaw?") != std::string::npos);
  CHECK(Refusal("s16:44:1").find("'44' is not a whole number from 1000") != std::string::npos);
  CHECK(Refusal(std::string(100'000, 'x')).size() < 200);
  CHECK_THROWS_AS(AudioFormat(SampleType::kS16, 0, 1), perf::ConfigError);
  CHECK_THROWS_AS(AudioFormat(SampleType::kS16, 8000, 0), perf::ConfigError);
  CHECK_THROWS_AS(AudioFormat(SampleType::kS16, 8000, 257), perf::ConfigError);
}

TEST_CASE("bytes and frames") {
  const auto format = AudioFormat::Parse("s24:48000:12");
  CHECK(format.BytesPerFrame() == 36);
  CHECK(format.BytesOf(std::uint64_t{1} << 40) == std::uint64_t{36} << 40);
  CHECK(format.FramesIn(std::uint64_t{71}) == 1);
  CHECK(format.IsWhole(72));
  CHECK_FALSE(format.IsWhole(71));
  CHECK(AudioFormat::Parse("f32:8000:2").BytesPerFrame() == 8);
  CHECK(AudioFormat::Parse("alaw:8000:1").BytesPerFrame() == 1);
}

TEST_CASE("frames and time: there and back is exact, for years") {
  for (const char* text : {"s16:24000:1", "s16:44100:1", "s16:11025:1", "s16:1001:1",
                           "s16:768000:1", "s16:22050:2", "s16:7919:1"}) {
    const auto format = AudioFormat::Parse(text);
    std::uint64_t frames = 1;
    // Up to 100 years in steps that share no factor with the rate.
    const std::uint64_t most = std::uint64_t{format.Rate()} * 86'400 * 36'525;
    for (; frames < most; frames = frames * 5 / 3 + 1) {
      REQUIRE(format.FramesIn(format.TimeOf(frames)) == frames);
      REQUIRE(format.FramesIn(format.TimeOf(frames) - Duration(1)) == frames - 1);
    }
    for (frames = 0; frames < 3000; ++frames) {
      REQUIRE(format.FramesIn(format.TimeOf(frames)) == frames);
    }
  }
  const auto format = AudioFormat::Parse("s16:24000:1");
  CHECK(format.TimeOf(480) == milliseconds(20));
  CHECK(format.FramesIn(Duration(seconds(3600 * 30))) == 2'592'000'000);
  CHECK(format.FramesIn(Duration(-1)) == 0);
  CHECK(format.TimeOf(std::numeric_limits<std::uint64_t>::max()) == Duration::max());
}

TEST_CASE("a period is a whole number of frames, or none") {
  CHECK(AudioFormat::Parse("s16:24000:1").WholeFrames(milliseconds(20)) == 480);
  CHECK(AudioFormat::Parse("s16:22050:1").WholeFrames(milliseconds(20)) == 441);
  CHECK_FALSE(AudioFormat::Parse("s16:11025:1").WholeFrames(milliseconds(20)));
  CHECK(AudioFormat::Parse("s16:11025:1").WholeFrames(milliseconds(40)) == 441);
  CHECK_FALSE(AudioFormat().WholeFrames(Duration(0)));
  CHECK_FALSE(AudioFormat().WholeFrames(Duration(-20'000'000)));
}

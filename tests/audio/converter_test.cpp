// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/converter.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "libperf/audio/samples.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/audio/tone.hpp"

using namespace perf::audio;
using test::Bytes;

namespace {

Bytes Converted(const std::string& from, const std::string& to, const Bytes& in,
                std::size_t chunk) {
  Converter converter(AudioFormat::Parse(from), AudioFormat::Parse(to));
  Bytes out;
  for (std::size_t at = 0; at < in.size(); at += chunk) {
    converter.Convert(std::span(in).subspan(at, std::min(chunk, in.size() - at)), out);
  }
  CHECK(converter.Finish(out) == 0);
  return out;
}

/// 1 kHz, as `format`.
Bytes ToneOf(const std::string& format, std::size_t frames) {
  const auto as = AudioFormat::Parse(format);
  const auto mono = test::Tone(1000, as.Rate(), frames);
  std::vector<float> all(frames * as.Channels());
  MixChannels(1, mono, as.Channels(), all);
  Bytes bytes(as.BytesOf(frames));
  ConvertSamples(SampleType::kF32, std::as_bytes(std::span(all)), as.Type(), bytes);
  return bytes;
}

}  // namespace

TEST_CASE("chunks cut anywhere, even within a sample, change no bit") {
  constexpr std::pair<const char*, const char*> kPairs[] = {
      {"s16:24000:1", "ulaw:8000:1"}, {"s16:24000:1", "s16:8000:1"},
      {"s24:44100:2", "s16:48000:1"}, {"ulaw:8000:1", "f32:48000:2"},
      {"s16:24000:1", "s24:24000:1"}, {"f32:22050:6", "s16:8000:1"}};
  for (const auto& [from, to] : kPairs) {
    CAPTURE(from);
    CAPTURE(to);
    const Bytes in = ToneOf(from, 5000);
    const Bytes whole = Converted(from, to, in, in.size());
    const auto out = AudioFormat::Parse(to);
    const std::uint64_t rate = AudioFormat::Parse(from).Rate();
    CHECK(whole.size() == out.BytesOf((5000 * std::uint64_t{out.Rate()} + rate - 1) / rate));
    for (const std::size_t chunk : {1U, 2U, 3U, 4063U, 1697U}) {
      CAPTURE(chunk);
      CHECK(Converted(from, to, in, chunk) == whole);
    }
  }
}

TEST_CASE("rates and channels come out as what they are") {
  const Bytes in = ToneOf("s16:24000:2", 24'000);
  const auto low = test::SamplesOf<float>(Converted("s16:24000:2", "f32:8000:1", in, 4096));
  REQUIRE(low.size() == 8000);
  CHECK(test::HeightAt(1000, 8000, low) == doctest::Approx(0.5).epsilon(0.01));
  CHECK(test::HeightAt(3000, 8000, low) < 0.001);
}

TEST_CASE("only the type differs: nothing but the type is changed") {
  const Bytes in = ToneOf("s16:24000:3", 1000);
  CHECK(Converted("s16:24000:3", "s16:24000:3", in, 777) == in);
  CHECK(Converted("s32:24000:3", "s16:24000:3", Converted("s16:24000:3", "s32:24000:3", in, 777),
                  777) == in);
}

TEST_CASE("half a frame at the end is told and left out; a reset forgets it") {
  Converter converter(AudioFormat::Parse("s16:24000:2"), AudioFormat::Parse("s16:8000:2"));
  const Bytes in = ToneOf("s16:24000:2", 300);
  Bytes out;
  converter.Convert(std::span(in).first(in.size() - 1), out);
  CHECK(converter.Finish(out) == 3);
  CHECK(out.size() == 100 * 4);  // of 299 frames
  Bytes cut, again;
  converter.Convert(std::span(in).first(101), cut);
  converter.Reset();
  converter.Convert(in, again);
  CHECK(converter.Finish(again) == 0);
  CHECK(again == Converted("s16:24000:2", "s16:8000:2", in, in.size()));
}

TEST_CASE("channels that cannot be mixed are refused") {
  CHECK_THROWS_WITH_AS(
      Converter(AudioFormat::Parse("s16:8000:2"), AudioFormat::Parse("s16:8000:3")),
      doctest::Contains("s16:8000:2 to s16:8000:3"), perf::ConfigError);
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/resampler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "libperf/base/random.hpp"
#include "tests/audio/tone.hpp"

using namespace perf::audio;

namespace {

using Floats = std::vector<float>;

/// All of `in` resampled, in chunks and into room of the sizes that `size` gives.
template <typename Size>
Floats Resampled(Resampler& resampler, unsigned channels, std::span<const float> in, Size size) {
  Floats out, room;
  for (;;) {
    room.resize(size() * channels);
    const std::size_t most = in.size() / channels;
    const auto frames = resampler.Process(in.first(std::min(size(), most) * channels), room);
    in = in.subspan(frames.read * channels);
    out.insert(out.end(), room.begin(),
               room.begin() + static_cast<std::ptrdiff_t>(frames.written * channels));
    if (frames.read == 0 && frames.written == 0 && in.empty()) break;
  }
  for (;;) {
    room.resize(size() * channels);
    const std::size_t drained = resampler.Drain(room);
    if (drained == 0) break;
    out.insert(out.end(), room.begin(),
               room.begin() + static_cast<std::ptrdiff_t>(drained * channels));
  }
  return out;
}

Floats AtOnce(std::uint32_t from, std::uint32_t to, unsigned channels, const Floats& in) {
  Resampler resampler(from, to, channels);
  return Resampled(resampler, channels, in, [] { return std::size_t{1'000'000}; });
}

Floats Noise(std::size_t size) {
  perf::Random random(size);
  Floats noise(size);
  for (float& value : noise) value = static_cast<float>(random.Normal() * 0.3);
  return noise;
}

std::span<const float> Middle(const Floats& samples) {
  return std::span(samples).subspan(samples.size() / 8, samples.size() * 3 / 4);
}

}  // namespace

TEST_CASE("chunked resampling equals one-shot sample for sample, and has the exact length") {
  constexpr std::pair<std::uint32_t, std::uint32_t> kRates[] = {
      {24'000, 8000},   {8000, 24'000}, {44'100, 48'000}, {22'050, 24'000},
      {24'000, 44'100}, {11'025, 8000}, {47'999, 8001},   {768'000, 8000}};
  for (const auto& [from, to] : kRates) {
    CAPTURE(from);
    CAPTURE(to);
    for (const unsigned channels : {1U, 2U}) {
      const std::size_t frames = from / 8 + 7;
      const Floats in = Noise(frames * channels);
      const Floats whole = AtOnce(from, to, channels, in);
      CHECK(whole.size() == (frames * to + from - 1) / from * channels);
      Resampler resampler(from, to, channels);
      perf::Random random(from + to);
      constexpr std::size_t kSizes[] = {1, 2, 3, 7, 160, 481, 1000, 5000};
      // Used again after it was drained, it is as new.
      for (int round = 0; round < 2; ++round) {
        const Floats chunked = Resampled(resampler, channels, in, [&] {
          return kSizes[static_cast<std::size_t>(random.Int(0, std::ssize(kSizes) - 1))];
        });
        CHECK(chunked == whole);
      }
    }
  }
}

TEST_CASE("a reset forgets what waited, in every channel") {
  // speexdsp's own reset leaves all channels but the first as they were.
  for (const unsigned channels : {1U, 2U, 6U}) {
    CAPTURE(channels);
    const Floats in = Noise(2400 * channels);
    Resampler resampler(24'000, 8000, channels);
    Floats room(5000 * channels);
    resampler.Process(Noise(50 * channels), room);
    resampler.Reset();
    CHECK(Resampled(resampler, channels, in, [] { return std::size_t{100}; }) ==
          AtOnce(24'000, 8000, channels, in));
  }
}

TEST_CASE("nothing in, nothing out; one frame in, its share out") {
  CHECK(AtOnce(24'000, 8000, 1, {}).empty());
  CHECK(AtOnce(24'000, 8000, 1, Floats(1)).size() == 1);
  CHECK(AtOnce(8000, 24'000, 2, Floats(2)).size() == 6);
}

TEST_CASE("a tone of 1 kHz is one after 24k -> 8k -> 24k") {
  const Floats tone = test::Tone(1000, 24'000, 48'000);
  const Floats low = AtOnce(24'000, 8000, 1, tone);
  const Floats back = AtOnce(8000, 24'000, 1, low);
  REQUIRE(back.size() == tone.size());
  double peak = 0, peak_at = 0;
  for (double hertz = 100; hertz < 12'000; hertz += 50) {
    const double height = test::HeightAt(hertz, 24'000, Middle(back));
    if (height > peak) peak = height, peak_at = hertz;
  }
  CHECK(peak_at == 1000);
  CHECK(peak == doctest::Approx(0.5).epsilon(0.001));
  // Aligned with what came in: neither rate's delay is left.
  Floats difference(back.size());
  std::transform(back.begin(), back.end(), tone.begin(), difference.begin(), std::minus<>());
  CHECK(test::Decibel(test::Rms(Middle(difference)) / test::Rms(Middle(tone))) < -60);
}

TEST_CASE("what the lower rate cannot hold is gone, what it can is kept") {
  for (const double hertz : {4600.0, 5000.0, 7000.0, 9000.0, 11'000.0}) {
    CAPTURE(hertz);
    const Floats low = AtOnce(24'000, 8000, 1, test::Tone(hertz, 24'000, 24'000));
    CHECK(test::Decibel(test::Rms(Middle(low)) / test::Rms(test::Tone(1000, 8000, 8000))) < -95);
  }
  for (const double hertz : {100.0, 1000.0, 3000.0, 3400.0}) {
    CAPTURE(hertz);
    const Floats low = AtOnce(24'000, 8000, 1, test::Tone(hertz, 24'000, 24'000));
    CHECK(std::abs(test::Decibel(test::HeightAt(hertz, 8000, Middle(low)) / 0.5)) < 0.05);
  }
}

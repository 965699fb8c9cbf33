// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/samples.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "libperf/audio/g711.hpp"
#include "libperf/base/random.hpp"
#include "tests/audio/tone.hpp"

using namespace perf::audio;
using test::Bytes;

namespace {

constexpr SampleType kAll[] = {SampleType::kS16, SampleType::kS24,  SampleType::kS32,
                               SampleType::kF32, SampleType::kUlaw, SampleType::kAlaw};

Bytes Converted(SampleType from, const Bytes& in, SampleType to) {
  Bytes out(in.size() / BytesPerSample(from) * BytesPerSample(to));
  ConvertSamples(from, in, to, out);
  return out;
}

template <typename From, typename To>
std::vector<To> Converted(SampleType from, const std::vector<From>& in, SampleType to) {
  return test::SamplesOf<To>(Converted(from, test::BytesOf(std::span<const From>(in)), to));
}

Bytes EveryS16() {
  std::vector<std::int16_t> all;
  for (int value = -32'768; value <= 32'767; ++value) {
    all.push_back(static_cast<std::int16_t>(value));
  }
  return test::BytesOf(std::span<const std::int16_t>(all));
}

}  // namespace

TEST_CASE("a wider type holds a narrower one exactly") {
  const Bytes all = EveryS16();
  for (const SampleType wide : {SampleType::kS24, SampleType::kS32, SampleType::kF32}) {
    CAPTURE(Name(wide));
    CHECK(Converted(wide, Converted(SampleType::kS16, all, wide), SampleType::kS16) == all);
  }
  // Every third value of 24 bits, through 32 bits and through floats.
  Bytes every;
  for (std::uint32_t value = 0; value < 1U << 24; value += 3) {
    for (int shift = 0; shift < 24; shift += 8) every.push_back(std::byte(value >> shift & 0xFF));
  }
  for (const SampleType wide : {SampleType::kS32, SampleType::kF32}) {
    CAPTURE(Name(wide));
    CHECK(Converted(wide, Converted(SampleType::kS24, every, wide), SampleType::kS24) == every);
  }
  Bytes codes;
  for (unsigned code = 0; code < 256; ++code) codes.push_back(std::byte(code));
  const Bytes linear = Converted(SampleType::kAlaw, codes, SampleType::kS16);
  CHECK(test::SamplesOf<std::int16_t>(linear).at(0xD5) == DecodeAlaw(0xD5));
  CHECK(Converted(SampleType::kS16, linear, SampleType::kAlaw) == codes);
}

TEST_CASE("s16 becomes G.711 as its tables say") {
  const Bytes all = EveryS16();
  const auto samples = test::SamplesOf<std::int16_t>(all);
  const Bytes ulaw = Converted(SampleType::kS16, all, SampleType::kUlaw);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    wrong += std::to_integer<std::uint8_t>(ulaw[i]) != EncodeUlaw(samples[i]) ? 1 : 0;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a narrower type is rounded and clipped") {
  using Ints = std::vector<std::int32_t>;
  using Shorts = std::vector<std::int16_t>;
  CHECK(Converted<std::int32_t, std::int16_t>(
            SampleType::kS32,
            Ints{0, 0x7FFF, 0x8000, -0x7FFF, -0x8000, 0x18000, std::numeric_limits<int>::max(),
                 std::numeric_limits<int>::min()},
            SampleType::kS16) == Shorts{0, 0, 1, 0, -1, 2, 32'767, -32'768});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> floats{0.F,       1.F, -1.F,           1.5F,           -1.5F,  infinite,
                                  -infinite, nan, 0.49F / 32'768, -0.5F / 32'768, 1e-40F, 3e38F};
  CHECK(Converted<float, std::int16_t>(SampleType::kF32, floats, SampleType::kS16) ==
        Shorts{0, 32'767, -32'768, 32'767, -32'768, 32'767, -32'768, 0, 0, -1, 0, 32'767});
  CHECK(Converted<float, std::int32_t>(SampleType::kF32, floats, SampleType::kS32).at(1) ==
        std::numeric_limits<std::int32_t>::max());
  CHECK(Converted<float, std::int32_t>(SampleType::kF32, floats, SampleType::kS32).at(2) ==
        std::numeric_limits<std::int32_t>::min());
}

TEST_CASE("any type to any, of any bytes and alignment, and by parts") {
  perf::Random random(1);
  Bytes noise(12 * 1100);
  for (std::byte& byte : noise) byte = std::byte(random.Next() & 0xFF);
  for (const SampleType from : kAll) {
    for (const SampleType to : kAll) {
      CAPTURE(Name(from));
      CAPTURE(Name(to));
      const Bytes whole = Converted(from, noise, to);
      const std::size_t samples = noise.size() / BytesPerSample(from);
      REQUIRE(whole.size() == samples * BytesPerSample(to));
      Bytes odd(whole.size() + 1), in(noise.size() + 1);
      std::copy(noise.begin(), noise.end(), in.begin() + 1);
      const std::size_t cut = 7;
      const auto behind = std::span(in).subspan(1);
      const auto out = std::span(odd).subspan(1);
      ConvertSamples(from, behind.first(cut * BytesPerSample(from)), to,
                     out.first(cut * BytesPerSample(to)));
      ConvertSamples(from, behind.subspan(cut * BytesPerSample(from)), to,
                     out.subspan(cut * BytesPerSample(to)));
      CHECK(std::equal(out.begin(), out.end(), whole.begin()));
    }
  }
  ConvertSamples(SampleType::kS16, {}, SampleType::kF32, {});
  ConvertSamples(SampleType::kS16, {}, SampleType::kS16, {});
}

TEST_CASE("channels are averaged into one, copied from one, or stay") {
  const std::vector<float> stereo{1, 3, -2, 0};
  std::vector<float> mono(2);
  MixChannels(2, stereo, 1, mono);
  CHECK(mono == std::vector<float>{2, -1});
  std::vector<float> three(6);
  MixChannels(1, mono, 3, three);
  CHECK(three == std::vector<float>{2, 2, 2, -1, -1, -1});
  std::vector<float> same(4);
  MixChannels(2, stereo, 2, same);
  CHECK(same == stereo);
  CHECK(CanMix(5, 5));
  CHECK_FALSE(CanMix(2, 3));
}

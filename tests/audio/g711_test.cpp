// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/g711.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "tests/audio/shared_audio.hpp"
#include "tests/audio/tone.hpp"

using namespace perf::audio;

namespace {

using Encoder = std::uint8_t (*)(std::int16_t) noexcept;
using Decoder = std::int16_t (*)(std::uint8_t) noexcept;
struct Law {
  const char* name;
  Encoder encode;
  Decoder decode;
};
const Law kLaws[] = {{"ulaw", EncodeUlaw, DecodeUlaw}, {"alaw", EncodeAlaw, DecodeAlaw}};

/// The decision values of G.711 tables 1a and 2a: segment and step from the bits of the magnitude.
unsigned StandardStep(bool ulaw, int magnitude) {
  const int biased = ulaw ? std::min(magnitude, 8158) + 33 : std::min(magnitude, 8191) >> 1;
  int segment = 0;
  for (int top = biased >> (ulaw ? 6 : 5); top > 0; top >>= 1) ++segment;
  const int shift = ulaw ? segment + 1 : std::max(segment, 1);
  return static_cast<unsigned>(segment << 4 | (biased >> shift & 15));
}

}  // namespace

TEST_CASE("G.711 equals the golden sweep in all 65,536 values both ways") {
  const std::string linear = test::SharedAudioBytes("sweep.s16le");
  if (linear.empty()) return;
  const auto samples = test::SamplesOf<std::int16_t>(test::BytesOf(linear));
  REQUIRE(samples.size() == 65'536);
  for (const Law& law : kLaws) {
    CAPTURE(law.name);
    const std::string codes = test::SharedAudioBytes(std::string("sweep.") + law.name);
    const auto decoded = test::SamplesOf<std::int16_t>(
        test::BytesOf(test::SharedAudioBytes(std::string("sweep.") + law.name + ".s16le")));
    REQUIRE(codes.size() == samples.size());
    REQUIRE(decoded.size() == samples.size());
    std::size_t encode_differs = 0, decode_differs = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto code = static_cast<std::uint8_t>(codes[i]);
      encode_differs += law.encode(samples[i]) != code ? 1 : 0;
      decode_differs += law.decode(code) != decoded[i] ? 1 : 0;
    }
    CHECK(encode_differs == 0);
    CHECK(decode_differs == 0);
  }
}

TEST_CASE("G.711 expands by the standard's formula, and compresses to the nearest") {
  // Values of tables 1a and 2a of ITU-T G.711, in 16 bits.
  CHECK(DecodeUlaw(0x80) == 32'124);
  CHECK(DecodeUlaw(0x00) == -32'124);
  CHECK(DecodeUlaw(0xFF) == 0);
  CHECK(DecodeUlaw(0x7F) == 0);
  CHECK(DecodeUlaw(0xFE) == 8);
  CHECK(DecodeUlaw(0xEF) == 132);
  CHECK(DecodeAlaw(0xAA) == 32'256);
  CHECK(DecodeAlaw(0x2A) == -32'256);
  CHECK(DecodeAlaw(0xD5) == 8);
  CHECK(DecodeAlaw(0x55) == -8);
  for (const Law& law : kLaws) {
    CAPTURE(law.name);
    const bool ulaw = law.name[0] == 'u';
    std::size_t other = 0;
    for (int sample = -32'768; sample <= 32'767; ++sample) {
      const std::uint8_t code = law.encode(static_cast<std::int16_t>(sample));
      const int magnitude = std::min(std::abs(sample >> 2), 8191);
      const unsigned step = (code ^ (ulaw ? 0xFFU : 0xD5U)) & 0x7F;
      // Never further from the standard's step than its neighbour, and that only at a border.
      const unsigned standard = StandardStep(ulaw, magnitude);
      REQUIRE(std::abs(static_cast<int>(step) - static_cast<int>(standard)) <= 1);
      other += step != standard ? 1 : 0;
      // No code of the same sign lies nearer to the 14 bits (its neighbours are enough).
      const int distance = std::abs(std::abs(int{law.decode(code)}) - magnitude * 4);
      for (const unsigned next : {step - 1, step + 1}) {
        if (next > 127) continue;
        const int value = law.decode(static_cast<std::uint8_t>(next ^ (ulaw ? 0xFFU : 0xD5U)));
        REQUIRE(std::abs(value - magnitude * 4) >= distance - 2);
      }
    }
    CHECK(other < 1100);  // of 65,536
  }
}

TEST_CASE("G.711: what was decoded is encoded to the same, but for the two zeros of mu-law") {
  for (const Law& law : kLaws) {
    CAPTURE(law.name);
    std::set<int> values;
    for (unsigned code = 0; code < 256; ++code) {
      const std::int16_t value = law.decode(static_cast<std::uint8_t>(code));
      values.insert(value);
      if (law.name[0] == 'u' && code == 0x7F) continue;
      CHECK(law.encode(value) == code);
    }
    CHECK(values.size() == (law.name[0] == 'u' ? 255 : 256));
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/rtp/payload.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

using namespace perf::audio;

TEST_CASE("payload types: static ones, and those that are told") {
  RtpPayloadMap map;
  CHECK(map.At(0).ToString() == "PCMU/8000");
  CHECK(map.At(8).codec == RtpPayload::Codec::kPcma);
  CHECK(map.At(10).ToString() == "L16/44100/2");
  CHECK(map.At(9).Known());
  CHECK_FALSE(map.At(9).Decodable());
  CHECK_FALSE(map.At(96).Known());
  CHECK(map.At(96).ToString() == "unknown");
  CHECK(map.Set("125=PCMU/8000/2"));
  CHECK(map.At(125).Decodable());
  CHECK(map.At(125).channels == 2);
  CHECK(map.Set("0=l16/24000"));
  CHECK(map.At(0).codec == RtpPayload::Codec::kL16);
  CHECK(map.Set("111=opus/48000/2"));
  CHECK(map.Set("101=telephone-event/8000"));
  for (const char* bad : {"", "=", "125", "125=", "128=PCMU/8000", "-1=PCMU/8000", "x=PCMU/8000",
                          "1=PCMU", "1=/8000", "1=PCMU/0", "1=PCMU/8000/0", "1=PCMU/8000/33",
                          "1=PCMU/8000/1/1", "1=PCMU/99999999", "1=P MU/8000", "1=PCMU/8e3"}) {
    CAPTURE(bad);
    CHECK_FALSE(map.Set(bad));
  }
}

TEST_CASE("payloads are decoded in whole frames") {
  const RtpPayload stereo = *ParsePayload("L16/44100/2");
  std::vector<std::byte> bytes(11);  // two frames and three bytes
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i + 1);
  std::vector<std::int16_t> samples(8, -1);
  CHECK(DecodePayload(stereo, bytes, samples) == 4);
  CHECK(samples[0] == 0x0102);
  CHECK(samples[3] == 0x0708);
  CHECK(samples[4] == -1);
  CHECK(DecodePayload(stereo, bytes, std::span(samples).first(3)) == 2);
  for (const char* name : {"PCMU/8000", "PCMA/8000", "L16/8000"}) {
    const RtpPayload payload = *ParsePayload(name);
    const std::vector<std::int16_t> values{0, 8, -8, 1000, -1000, 32000, -32000};
    std::vector<std::byte> coded(2 * values.size());
    coded.resize(EncodePayload(payload, values, coded));
    CHECK(coded.size() == values.size() * payload.BytesPerFrame());
    std::vector<std::int16_t> back(values.size());
    CHECK(DecodePayload(payload, coded, back) == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(std::abs(back[i] - values[i]) <= std::max(8, std::abs(values[i]) / 16));
    }
  }
}

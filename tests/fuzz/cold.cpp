// SPDX-License-Identifier: Apache-2.0
// Blocks of cold audio: the first byte chooses codec and format, the next two how much it should
// be; what comes in is that, or nothing. And what is packed comes back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "libperf/audio/cold_codec.hpp"
#include "libperf/base/error.hpp"
#include "tests/fuzz/require.hpp"

using namespace perf::audio;
using perf::fuzz::Require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  static constexpr std::string_view kFormats[] = {"s16:24000:1", "s16:8000:2", "ulaw:8000:1",
                                                  "s24:48000:2"};
  const auto format = AudioFormat::Parse(kFormats[data[0] >> 2 & 3]);
  ColdCodec codec;
  try {
    codec = ColdCodec(static_cast<ColdKind>(data[0] & 3), format);
  } catch (const perf::ConfigError&) {
    return 0;
  }
  const std::span<const std::byte> block(reinterpret_cast<const std::byte*>(data + 3), size - 3);
  std::vector<std::byte> pcm((data[1] | data[2] << 8) % 12'000 * format.BytesPerFrame());
  codec.Decode(block, pcm);
  const std::span<const std::byte> whole = block.first(
      std::min<std::size_t>(block.size(), 8192) / format.BytesPerFrame() * format.BytesPerFrame());
  std::vector<std::byte> back(whole.size());
  Require(codec.Decode(codec.Encode(whole), back), "what was packed is unpacked");
  Require(!codec.Lossless() || std::equal(back.begin(), back.end(), whole.begin()),
          "lossless is what it says");
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "libperf/audio/capture/capture.hpp"
#include "libperf/base/error.hpp"
#include "tests/fuzz/require.hpp"

namespace perf::fuzz {

/// All that a capture tells, or why it cannot be read; read in pieces of `step` bytes.
inline std::string ReadCapture(std::span<const std::byte> bytes, std::size_t step) {
  std::string all;
  try {
    const auto reader = audio::OpenCapture(
        [&, left = bytes](std::span<std::byte> into) mutable {
          const std::size_t count = std::min({into.size(), left.size(), step});
          std::copy_n(left.begin(), count, into.begin());
          left = left.subspan(count);
          return count;
        },
        "fuzz");
    if (!reader) return "none";
    audio::CapturedPacket packet;
    std::size_t held = 0;
    while (reader->Next(packet)) {
      const audio::Datagram& datagram = packet.datagram;
      held += datagram.bytes.size();
      Require(held <= bytes.size(), "no byte is given twice");
      Require(datagram.bytes.size() <= datagram.size && datagram.size <= 65'535,
              "a datagram has a datagram's size");
      all += std::to_string(packet.at.count()) + datagram.source.ToString() + '>' +
             datagram.destination.ToString() + ':' +
             std::string(Text(reinterpret_cast<const std::uint8_t*>(datagram.bytes.data()),
                              datagram.bytes.size())) +
             '\n';
    }
    all += std::to_string(reader->Counts().records) + (reader->Counts().ends_early ? "!" : "");
  } catch (const ConfigError& error) {
    all += error.what();
  }
  return all;
}

inline void TryCapture(std::span<const std::byte> bytes) {
  Require(ReadCapture(bytes, 7) == ReadCapture(bytes, 1 << 20), "pieces change nothing");
}

}  // namespace perf::fuzz

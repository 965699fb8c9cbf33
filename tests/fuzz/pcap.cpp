// SPDX-License-Identifier: Apache-2.0
// Captures of tcpdump and Wireshark: read, or refused; and the input as one frame of any link.
#include "libperf/audio/capture/datagram.hpp"
#include "tests/fuzz/capture.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  perf::fuzz::TryCapture(bytes);
  for (const std::uint32_t link : {0U, 1U, 101U, 113U, 276U}) {
    perf::audio::Datagram datagram;
    if (perf::audio::FindDatagram(link, bytes, size, datagram) != perf::audio::FrameFault::kNone) {
      continue;
    }
    perf::fuzz::Require(datagram.bytes.empty() ||
                            (datagram.bytes.data() >= bytes.data() &&
                             datagram.bytes.data() + datagram.bytes.size() <= bytes.data() + size),
                        "a datagram lies within its frame");
  }
  return 0;
}

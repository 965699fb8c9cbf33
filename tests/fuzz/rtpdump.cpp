// SPDX-License-Identifier: Apache-2.0
// Files of rtpdump: read, or refused; the input as it is, and behind a head that is right.
#include <string>

#include "libperf/audio/capture/rtpdump.hpp"
#include "tests/fuzz/capture.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  perf::fuzz::TryCapture(bytes);
  std::string file = perf::audio::RtpdumpHead();
  file += perf::fuzz::Text(data, size);
  perf::fuzz::TryCapture(std::as_bytes(std::span(file)));
  // What is packed as one record comes back as it was.
  if (size == 0 || size > 60'000) return 0;
  file = perf::audio::RtpdumpHead();
  perf::audio::AppendRtpdump(file, bytes, std::chrono::milliseconds(7));
  const auto reader =
      perf::audio::OpenCapture(perf::audio::PullMemory(std::as_bytes(std::span(file))), "fuzz");
  perf::audio::CapturedPacket packet;
  perf::fuzz::Require(
      reader && reader->Next(packet) && std::ranges::equal(packet.datagram.bytes, bytes),
      "what is written is read");
  return 0;
}

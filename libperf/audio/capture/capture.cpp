// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/capture/capture.hpp"

#include <utility>

namespace perf::audio {

CaptureReader::~CaptureReader() = default;

bool CaptureReader::Unwrap(std::uint32_t link, std::span<const std::byte> frame,
                           std::size_t wire_size, Datagram& datagram) noexcept {
  switch (FindDatagram(link, frame, wire_size, datagram)) {
    case FrameFault::kNone: return true;
    case FrameFault::kLink: ++counts_.other_links; break;
    case FrameFault::kNotIp:
    case FrameFault::kNotUdp: ++counts_.not_udp; break;
    case FrameFault::kFragment: ++counts_.fragments; break;
    case FrameFault::kCut: ++counts_.headless; break;
  }
  return false;
}

std::unique_ptr<CaptureReader> OpenCapture(const std::string& path) {
  return OpenCapture(PullFile(path), path);
}

std::unique_ptr<CaptureReader> OpenCapture(PullBytes pull, const std::string& name) {
  constexpr std::size_t kHead = 16;
  CaptureInput input(std::move(pull), name);
  const std::span<const std::byte> head = input.Peek(kHead);
  if (IsRtpdump(head)) return MakeRtpdumpReader(std::move(input));
  if (IsPcap(head)) return MakePcapReader(std::move(input));
  if (IsPcapng(head)) return MakePcapngReader(std::move(input));
  return nullptr;
}

}  // namespace perf::audio

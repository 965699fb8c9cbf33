// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "libperf/audio/capture/datagram.hpp"
#include "libperf/audio/capture/input.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// One datagram out of a capture. Lifetime: `bytes` is valid until the next is read.
struct CapturedPacket {
  Duration at{};  ///< since 1970, or since an rtpdump began; may fall from packet to packet
  Datagram datagram;
  bool control = false;  ///< an rtpdump says that it is RTCP

  bool Cut() const noexcept { return datagram.bytes.size() < datagram.size; }
};

/// What a capture held beside the datagrams that were given.
struct CaptureCounts {
  std::uint64_t records = 0;
  std::uint64_t other_links = 0;  ///< frames of link types that are not known
  std::uint64_t not_udp = 0;      ///< other protocols
  std::uint64_t fragments = 0;    ///< of UDP over IP
  std::uint64_t headless = 0;     ///< cut within their headers
  bool ends_early = false;        ///< the file ends within a record
};

/// Datagrams of a capture, pulled in the order of the file; memory does not grow with it.
/// Thread safety: none. Throws: ConfigError naming the file, the place and what is wrong.
class PERF_EXPORT CaptureReader {
 public:
  CaptureReader() = default;
  CaptureReader(const CaptureReader&) = delete;
  CaptureReader& operator=(const CaptureReader&) = delete;
  virtual ~CaptureReader();

  /// False at the end.
  virtual bool Next(CapturedPacket& packet) = 0;
  /// "rtpdump", "pcap" or "pcapng".
  virtual std::string_view Format() const noexcept = 0;
  const CaptureCounts& Counts() const noexcept { return counts_; }

 protected:
  /// The datagram in a frame; false, counted, where there is none.
  bool Unwrap(std::uint32_t link, std::span<const std::byte> frame, std::size_t wire_size,
              Datagram& datagram) noexcept;

  CaptureCounts counts_;
};

/// Opens an rtpdump (rtpplay1.0), a pcap (either byte order, micro- or nanoseconds) or a pcapng,
/// which its first bytes tell apart; null where they tell none of these. Throws: ConfigError.
PERF_EXPORT std::unique_ptr<CaptureReader> OpenCapture(const std::string& path);
PERF_EXPORT std::unique_ptr<CaptureReader> OpenCapture(PullBytes pull, const std::string& name);

/// The readers behind OpenCapture. Requires: the input is at the front of a file of that kind.
std::unique_ptr<CaptureReader> MakeRtpdumpReader(CaptureInput input);
std::unique_ptr<CaptureReader> MakePcapReader(CaptureInput input);
std::unique_ptr<CaptureReader> MakePcapngReader(CaptureInput input);

/// Whether a file that starts like this is one of theirs. Requires: 4 bytes of pcap and pcapng.
bool IsRtpdump(std::span<const std::byte> head) noexcept;
bool IsPcap(std::span<const std::byte> head) noexcept;
bool IsPcapng(std::span<const std::byte> head) noexcept;

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "libperf/audio/rtp/packet.hpp"

namespace test {

/// Bytes of files and frames, put together by hand.
class FileBytes {
 public:
  FileBytes& Big(std::uint64_t value, int size) {
    for (int i = size - 1; i >= 0; --i) text_ += static_cast<char>(value >> 8 * i);
    return *this;
  }
  FileBytes& Little(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) text_ += static_cast<char>(value >> 8 * i);
    return *this;
  }
  FileBytes& In(bool big, std::uint64_t value, int size) {
    return big ? Big(value, size) : Little(value, size);
  }
  FileBytes& Add(std::string_view text) {
    text_ += text;
    return *this;
  }
  const std::string& Text() const noexcept { return text_; }

 private:
  std::string text_;
};

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string RtpText(std::uint16_t sequence, std::uint32_t timestamp,
                           std::string_view payload, std::uint8_t type = 0,
                           std::uint32_t ssrc = 0x01020304) {
  perf::audio::RtpPacket packet;
  packet.payload_type = type;
  packet.sequence = sequence;
  packet.timestamp = timestamp;
  packet.ssrc = ssrc;
  packet.payload = AsBytes(payload);
  std::string text(perf::audio::RtpBytes(packet), '\0');
  perf::audio::BuildRtp(packet, {reinterpret_cast<std::byte*>(text.data()), text.size()});
  return text;
}

/// UDP from port 4000 to 5004.
inline std::string Udp(std::string_view payload) {
  return FileBytes()
      .Big(4000, 2)
      .Big(5004, 2)
      .Big(payload.size() + 8, 2)
      .Big(0, 2)
      .Add(payload)
      .Text();
}
/// From 10.0.0.1 to 10.0.0.2.
inline std::string Ipv4(std::string_view body, int protocol = 17, int fragment = 0,
                        int options = 0) {
  return FileBytes()
      .Big(static_cast<std::uint64_t>(0x45 + options), 1)
      .Big(0, 1)
      .Big(20U + 4U * static_cast<unsigned>(options) + body.size(), 2)
      .Big(1, 2)
      .Big(static_cast<std::uint64_t>(fragment), 2)
      .Big(64, 1)
      .Big(static_cast<std::uint64_t>(protocol), 1)
      .Big(0, 2)
      .Big(0x0a000001, 4)
      .Big(0x0a000002, 4)
      .Add(std::string(4U * static_cast<unsigned>(options), '\1'))
      .Add(body)
      .Text();
}
/// From ::1 to ::2.
inline std::string Ipv6(std::string_view body, int next = 17) {
  return FileBytes()
      .Big(0x60000000, 4)
      .Big(body.size(), 2)
      .Big(static_cast<std::uint64_t>(next), 1)
      .Big(64, 1)
      .Big(0, 8)
      .Big(1, 8)
      .Big(0, 8)
      .Big(2, 8)
      .Add(body)
      .Text();
}
inline std::string Ethernet(std::string_view body, int type = 0x0800) {
  return FileBytes().Big(0, 8).Big(0, 4).Big(static_cast<std::uint64_t>(type), 2).Add(body).Text();
}

inline std::string PcapHead(bool big = false, bool nanoseconds = false, std::uint32_t link = 1) {
  return FileBytes()
      .In(big, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 4)
      .In(big, 2, 2)
      .In(big, 4, 2)
      .In(big, 0, 8)
      .In(big, 65'535, 4)
      .In(big, link, 4)
      .Text();
}
/// `keep`: so many bytes of the frame were captured.
inline std::string PcapRecord(std::string_view frame, std::int64_t ns, bool big = false,
                              bool nanoseconds = false, std::size_t keep = std::string_view::npos) {
  const std::string_view kept = frame.substr(0, keep);
  return FileBytes()
      .In(big, static_cast<std::uint64_t>(ns / 1'000'000'000), 4)
      .In(big, static_cast<std::uint64_t>(ns % 1'000'000'000 / (nanoseconds ? 1 : 1000)), 4)
      .In(big, kept.size(), 4)
      .In(big, frame.size(), 4)
      .Add(kept)
      .Text();
}

}  // namespace test

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::audio {

/// Of the fixed header; contributing sources and an extension follow it.
inline constexpr std::size_t kRtpHeaderBytes = 12;
inline constexpr std::size_t kMostCsrcs = 15;

/// One RTP packet (RFC 3550, 5.1).
/// Thread safety: a value. Lifetime: its spans point into the bytes that it was parsed from.
struct RtpPacket {
  std::uint8_t payload_type = 0;  ///< 0 to 127
  bool marker = false;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t ssrc = 0;
  std::uint8_t csrc_count = 0;
  std::array<std::uint32_t, kMostCsrcs> csrcs{};
  bool extended = false;
  std::uint16_t profile = 0;             ///< of the extension
  std::span<const std::byte> extension;  ///< whole 32-bit words
  std::span<const std::byte> payload;    ///< without padding
  std::uint8_t padding = 0;              ///< bytes of it, the last of which tells them
};

/// Why bytes are no RTP packet.
enum class RtpFault : std::uint8_t { kNone, kShort, kVersion, kCsrcs, kExtension, kPadding };
/// "none", "shorter than a header", "not version 2" …
PERF_EXPORT std::string_view Name(RtpFault fault) noexcept;

/// Reads a packet; every length in it is held against the bytes that are there. `whole` is false
/// for one that a capture cut: its payload ends where the bytes do, and padding is not looked for.
/// Thread safety: pure.
PERF_EXPORT RtpFault ParseRtp(std::span<const std::byte> bytes, RtpPacket& packet,
                              bool whole = true) noexcept;

/// The bytes that BuildRtp writes.
PERF_EXPORT std::size_t RtpBytes(const RtpPacket& packet) noexcept;
/// Writes a packet; without a payload it is the header alone, for sending from two places. 0 where
/// it does not fit, or where a field is out of its range.
PERF_EXPORT std::size_t BuildRtp(const RtpPacket& packet, std::span<std::byte> into) noexcept;

/// Whether bytes on a port of RTP are RTCP: packet types 192 to 223 (RFC 5761, 4).
PERF_EXPORT bool IsRtcp(std::span<const std::byte> bytes) noexcept;

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "libperf/base/export.hpp"

namespace perf::audio {

/// Where a datagram comes from or goes to.
/// Thread safety: a value.
struct PERF_EXPORT Endpoint {
  std::uint8_t family = 0;  ///< 4, 6, or 0 where it is not known
  std::uint16_t port = 0;
  std::array<std::uint8_t, 16> address{};

  /// "10.1.6.18:2006", "[::1]:5004"; "" where it is not known.
  std::string ToString() const;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// The payload of one UDP datagram. Lifetime: `bytes` points into the frame.
struct Datagram {
  Endpoint source, destination;
  std::span<const std::byte> bytes;  ///< as far as it was captured
  std::size_t size = 0;              ///< on the wire
};

/// Why a captured frame gives no datagram.
enum class FrameFault : std::uint8_t { kNone, kLink, kNotIp, kNotUdp, kFragment, kCut };

/// Whether FindDatagram knows frames of this link type (tcpdump.org's LINKTYPE_ numbers): BSD
/// loopback, Ethernet (with up to four VLAN tags), raw IP, Linux cooked 1 and 2.
PERF_EXPORT bool IsLinkKnown(std::uint32_t link) noexcept;

/// The datagram in a frame, over IPv4 or IPv6 with its extension headers. What follows the end that
/// IP or UDP tell is no part of it; fragments are not put together.
/// Thread safety: pure. `wire_size`: bytes of the frame before the capture cut it.
PERF_EXPORT FrameFault FindDatagram(std::uint32_t link, std::span<const std::byte> frame,
                                    std::size_t wire_size, Datagram& datagram) noexcept;

}  // namespace perf::audio

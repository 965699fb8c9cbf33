// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/capture/datagram.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "libperf/audio/byte_order.hpp"

namespace perf::audio {
namespace {

enum Link : std::uint32_t {
  kNull = 0,
  kEthernet = 1,
  kRawBsd = 12,
  kRawOpenBsd = 14,
  kRaw = 101,
  kLoop = 108,
  kCooked = 113,
  kIpv4 = 228,
  kIpv6 = 229,
  kCooked2 = 276,
};
constexpr unsigned kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd;
constexpr unsigned kVlan = 0x8100, kVlanOuter = 0x88a8, kVlanOld = 0x9100;
constexpr int kMostTags = 4;
constexpr unsigned kUdp = 17;
constexpr unsigned kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51,
                   kOptions = 60;
/// RFC 8200 allows each of them once, but for one; whoever sends more means no good.
constexpr int kMostExtensions = 8;
constexpr std::size_t kUdpHeader = 8, kMostUdp = 0xffff - kUdpHeader;

/// What is left of a frame: what was captured, and how long it was on the wire.
struct Rest {
  std::span<const std::byte> bytes;
  std::size_t size = 0;

  bool Has(std::size_t count) const noexcept { return bytes.size() >= count; }
  const std::byte* At(std::size_t offset) const noexcept { return bytes.data() + offset; }
  unsigned Byte(std::size_t offset) const noexcept {
    return std::to_integer<unsigned>(bytes[offset]);
  }
  void Skip(std::size_t count) noexcept {
    bytes = bytes.subspan(count);
    size -= count;
  }
  void Cut(std::size_t to) noexcept {
    size = std::min(size, to);
    bytes = bytes.first(std::min(bytes.size(), size));
  }
};

/// Takes the header of the link away; the type of what follows, 0 for IP of whatever version.
std::optional<unsigned> SkipLink(std::uint32_t link, Rest& rest) noexcept {
  const auto skip = [&rest](std::size_t header, std::size_t type_at) -> std::optional<unsigned> {
    if (!rest.Has(header)) return std::nullopt;
    const unsigned type = Get16(rest.At(type_at));
    rest.Skip(header);
    return type;
  };
  switch (link) {
    case kNull:
    case kLoop:
      if (!rest.Has(4)) return std::nullopt;
      rest.Skip(4);  // an address family whose numbers depend on the system
      return 0;
    case kCooked: return skip(16, 14);
    case kCooked2: return skip(20, 0);
    case kEthernet: break;
    default: return 0;
  }
  std::optional<unsigned> type = skip(14, 12);
  for (int tags = 0; tags < kMostTags; ++tags) {
    if (!type || (*type != kVlan && *type != kVlanOuter && *type != kVlanOld)) break;
    type = skip(4, 2);
  }
  return type;
}

/// Takes the header of IPv4 away; the protocol of what follows.
FrameFault SkipIpv4(Rest& rest, Datagram& datagram, unsigned& protocol) noexcept {
  if (!rest.Has(20)) return FrameFault::kCut;
  const std::size_t header = (rest.Byte(0) & 0x0f) * std::size_t{4};
  if (header < 20) return FrameFault::kNotIp;
  if (!rest.Has(header)) return FrameFault::kCut;
  const std::size_t total = Get16(rest.At(2));
  // Zero: the card was to fill it in, after the capture.
  if (total != 0) {
    if (total < header) return FrameFault::kNotIp;
    rest.Cut(total);
  }
  protocol = rest.Byte(9);
  datagram.source.family = datagram.destination.family = 4;
  std::memcpy(datagram.source.address.data(), rest.At(12), 4);
  std::memcpy(datagram.destination.address.data(), rest.At(16), 4);
  const bool fragment = (Get16(rest.At(6)) & 0x3fff) != 0;  // more of them, or an offset
  rest.Skip(header);
  return fragment ? FrameFault::kFragment : FrameFault::kNone;
}

/// As SkipIpv4, with the headers between.
FrameFault SkipIpv6(Rest& rest, Datagram& datagram, unsigned& protocol) noexcept {
  if (!rest.Has(40)) return FrameFault::kCut;
  const std::size_t length = Get16(rest.At(4));
  protocol = rest.Byte(6);
  datagram.source.family = datagram.destination.family = 6;
  std::memcpy(datagram.source.address.data(), rest.At(8), 16);
  std::memcpy(datagram.destination.address.data(), rest.At(24), 16);
  rest.Skip(40);
  if (length != 0) rest.Cut(length);
  for (int extensions = 0; extensions < kMostExtensions; ++extensions) {
    if (protocol != kHopByHop && protocol != kRouting && protocol != kFragment &&
        protocol != kAuthentication && protocol != kOptions) {
      return FrameFault::kNone;
    }
    if (!rest.Has(8)) return FrameFault::kCut;
    if (protocol == kFragment && (Get16(rest.At(2)) & 0xfff9) != 0) return FrameFault::kFragment;
    const std::size_t units = rest.Byte(1);
    const std::size_t header = protocol == kFragment         ? 8
                               : protocol == kAuthentication ? (units + 2) * 4
                                                             : (units + 1) * 8;
    if (!rest.Has(header)) return FrameFault::kCut;
    protocol = rest.Byte(0);
    rest.Skip(header);
  }
  return FrameFault::kNotUdp;
}

}  // namespace

std::string Endpoint::ToString() const {
  if (family == 0) return "";
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family == 4 ? AF_INET : AF_INET6, address.data(), text, sizeof text);
  return family == 4 ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

bool IsLinkKnown(std::uint32_t link) noexcept {
  constexpr Link kKnown[] = {kNull, kEthernet, kRawBsd, kRawOpenBsd, kRaw,
                             kLoop, kCooked,   kIpv4,   kIpv6,       kCooked2};
  return std::find(std::begin(kKnown), std::end(kKnown), link) != std::end(kKnown);
}

FrameFault FindDatagram(std::uint32_t link, std::span<const std::byte> frame, std::size_t wire_size,
                        Datagram& datagram) noexcept {
  if (!IsLinkKnown(link)) return FrameFault::kLink;
  datagram = {};
  Rest rest{frame, std::max(wire_size, frame.size())};
  const std::optional<unsigned> type = SkipLink(link, rest);
  if (!type || !rest.Has(1)) return FrameFault::kCut;
  const unsigned version = rest.Byte(0) >> 4;
  unsigned protocol = 0;
  FrameFault fault = FrameFault::kNotIp;
  if (version == 4 && (*type == 0 || *type == kTypeIpv4)) {
    fault = SkipIpv4(rest, datagram, protocol);
  } else if (version == 6 && (*type == 0 || *type == kTypeIpv6)) {
    fault = SkipIpv6(rest, datagram, protocol);
  }
  if (fault != FrameFault::kNone && fault != FrameFault::kFragment) return fault;
  if (protocol != kUdp) return FrameFault::kNotUdp;
  if (fault == FrameFault::kFragment) return fault;
  if (!rest.Has(kUdpHeader)) return FrameFault::kCut;
  datagram.source.port = Get16(rest.At(0));
  datagram.destination.port = Get16(rest.At(2));
  const std::size_t length = Get16(rest.At(4));
  if (length != 0) {  // zero: a jumbogram, RFC 2675
    if (length < kUdpHeader) return FrameFault::kNotUdp;
    rest.Cut(length);
  }
  rest.Skip(kUdpHeader);
  rest.Cut(kMostUdp);
  datagram.bytes = rest.bytes;
  datagram.size = rest.size;
  return FrameFault::kNone;
}

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/rtp/packet.hpp"

#include <cstring>

#include "libperf/audio/byte_order.hpp"

namespace perf::audio {
namespace {

constexpr unsigned kVersion = 2;
constexpr unsigned kPaddingBit = 0x20, kExtensionBit = 0x10, kCountMask = 0x0f;
constexpr unsigned kMarkerBit = 0x80, kTypeMask = 0x7f;
constexpr std::size_t kWord = 4;

std::byte* Copy(std::span<const std::byte> from, std::byte* at) noexcept {
  if (!from.empty()) std::memcpy(at, from.data(), from.size());
  return at + from.size();
}

}  // namespace

std::string_view Name(RtpFault fault) noexcept {
  switch (fault) {
    case RtpFault::kNone: return "none";
    case RtpFault::kShort: return "shorter than a header";
    case RtpFault::kVersion: return "not version 2";
    case RtpFault::kCsrcs: return "ends within its contributing sources";
    case RtpFault::kExtension: return "ends within its header extension";
    case RtpFault::kPadding: return "more padding than bytes";
  }
  return "";
}

RtpFault ParseRtp(std::span<const std::byte> bytes, RtpPacket& packet, bool whole) noexcept {
  if (bytes.size() < kRtpHeaderBytes) return RtpFault::kShort;
  const std::byte* const head = bytes.data();
  const auto first = std::to_integer<unsigned>(head[0]),
             second = std::to_integer<unsigned>(head[1]);
  if (first >> 6 != kVersion) return RtpFault::kVersion;
  packet = {};
  packet.marker = (second & kMarkerBit) != 0;
  packet.payload_type = static_cast<std::uint8_t>(second & kTypeMask);
  packet.sequence = Get16(head + 2);
  packet.timestamp = Get32(head + 4);
  packet.ssrc = Get32(head + 8);
  packet.csrc_count = static_cast<std::uint8_t>(first & kCountMask);

  std::span<const std::byte> rest = bytes.subspan(kRtpHeaderBytes);
  if (rest.size() < packet.csrc_count * kWord) return RtpFault::kCsrcs;
  for (std::size_t i = 0; i < packet.csrc_count; ++i) {
    packet.csrcs[i] = Get32(rest.data() + i * kWord);
  }
  rest = rest.subspan(packet.csrc_count * kWord);

  if ((first & kExtensionBit) != 0) {
    if (rest.size() < kWord) return RtpFault::kExtension;
    const std::size_t size = Get16(rest.data() + 2) * kWord;
    if (rest.size() - kWord < size) return RtpFault::kExtension;
    packet.extended = true;
    packet.profile = Get16(rest.data());
    packet.extension = rest.subspan(kWord, size);
    rest = rest.subspan(kWord + size);
  }
  if ((first & kPaddingBit) != 0 && whole) {
    // A count of zero is no padding that could hold its own count.
    packet.padding = rest.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(rest.back());
    if (packet.padding == 0 || packet.padding > rest.size()) return RtpFault::kPadding;
    rest = rest.first(rest.size() - packet.padding);
  }
  packet.payload = rest;
  return RtpFault::kNone;
}

std::size_t RtpBytes(const RtpPacket& packet) noexcept {
  return kRtpHeaderBytes + packet.csrc_count * kWord +
         (packet.extended ? kWord + packet.extension.size() : 0) + packet.payload.size() +
         packet.padding;
}

std::size_t BuildRtp(const RtpPacket& packet, std::span<std::byte> into) noexcept {
  const std::size_t size = RtpBytes(packet);
  if (into.size() < size || packet.payload_type > kTypeMask || packet.csrc_count > kMostCsrcs ||
      packet.extension.size() % kWord != 0 || packet.extension.size() / kWord > 0xffff) {
    return 0;
  }
  std::byte* at = into.data();
  at[0] = static_cast<std::byte>(kVersion << 6 | (packet.padding > 0 ? kPaddingBit : 0) |
                                 (packet.extended ? kExtensionBit : 0) | packet.csrc_count);
  at[1] = static_cast<std::byte>((packet.marker ? kMarkerBit : 0) | packet.payload_type);
  Put16(at + 2, packet.sequence);
  Put32(at + 4, packet.timestamp);
  Put32(at + 8, packet.ssrc);
  at += kRtpHeaderBytes;
  for (std::size_t i = 0; i < packet.csrc_count; ++i, at += kWord) Put32(at, packet.csrcs[i]);
  if (packet.extended) {
    Put16(at, packet.profile);
    Put16(at + 2, static_cast<std::uint16_t>(packet.extension.size() / kWord));
    at = Copy(packet.extension, at + kWord);
  }
  at = Copy(packet.payload, at);
  if (packet.padding > 0) {
    std::memset(at, 0, packet.padding);
    at[packet.padding - 1] = static_cast<std::byte>(packet.padding);
  }
  return size;
}

bool IsRtcp(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < 4 || std::to_integer<unsigned>(bytes[0]) >> 6 != kVersion) return false;
  const auto type = std::to_integer<unsigned>(bytes[1]);
  return type >= 192 && type <= 223;
}

}  // namespace perf::audio

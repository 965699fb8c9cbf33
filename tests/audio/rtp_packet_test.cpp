// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/rtp/packet.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "libperf/base/random.hpp"

using namespace perf::audio;

namespace {

using Bytes = std::vector<std::byte>;

Bytes Filled(std::size_t size, unsigned first = 1) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(first + i);
  return bytes;
}

Bytes Built(const RtpPacket& packet) {
  Bytes bytes(RtpBytes(packet));
  REQUIRE(BuildRtp(packet, bytes) == bytes.size());
  return bytes;
}

RtpFault Fault(const Bytes& bytes, bool whole = true) {
  RtpPacket packet;
  return ParseRtp(bytes, packet, whole);
}

}  // namespace

TEST_CASE("rtp: the bytes of RFC 3550, 5.1") {
  const Bytes payload = Filled(3, 0xa0), extension = Filled(4);
  RtpPacket packet;
  packet.payload_type = 96;
  packet.marker = true;
  packet.sequence = 0x1234;
  packet.timestamp = 0x89abcdef;
  packet.ssrc = 0xdeadbeef;
  packet.csrc_count = 1;
  packet.csrcs[0] = 0x01020304;
  packet.extended = true;
  packet.profile = 0xbede;
  packet.extension = extension;
  packet.payload = payload;
  packet.padding = 2;
  const unsigned expected[] = {0xb1, 0xe0, 0x12, 0x34, 0x89, 0xab, 0xcd, 0xef, 0xde, 0xad,
                               0xbe, 0xef, 1,    2,    3,    4,    0xbe, 0xde, 0,    1,
                               1,    2,    3,    4,    0xa0, 0xa1, 0xa2, 0,    2};
  const Bytes bytes = Built(packet);
  REQUIRE(bytes.size() == std::size(expected));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK(std::to_integer<unsigned>(bytes[i]) == expected[i]);
  }
  RtpPacket read;
  REQUIRE(ParseRtp(bytes, read) == RtpFault::kNone);
  CHECK(read.marker);
  CHECK(read.payload_type == 96);
  CHECK(read.sequence == 0x1234);
  CHECK(read.timestamp == 0x89abcdef);
  CHECK(read.ssrc == 0xdeadbeef);
  CHECK(read.csrcs[0] == 0x01020304);
  CHECK(read.profile == 0xbede);
  CHECK(std::ranges::equal(read.extension, extension));
  CHECK(std::ranges::equal(read.payload, payload));
  CHECK(read.padding == 2);
}

TEST_CASE("rtp: every length is held against the bytes that are there") {
  RtpPacket packet;
  packet.csrc_count = 15;
  const Bytes extension = Filled(8), payload = Filled(5);
  packet.extended = true;
  packet.extension = extension;
  packet.payload = payload;
  packet.padding = 4;
  const Bytes bytes = Built(packet);
  CHECK(Fault(bytes) == RtpFault::kNone);
  const std::size_t csrcs = 12 + 60, extended = csrcs + 12;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const RtpFault fault = Fault(cut);
    if (size < 12) CHECK(fault == RtpFault::kShort);
    if (size >= 12 && size < csrcs) CHECK(fault == RtpFault::kCsrcs);
    if (size >= csrcs && size < extended) CHECK(fault == RtpFault::kExtension);
    if (size == extended) CHECK(fault == RtpFault::kPadding);
    // What a capture cut has its header all the same.
    CHECK((Fault(cut, false) == RtpFault::kNone) == (size >= extended));
  }
  Bytes bad = bytes;
  bad.back() = std::byte{10};  // one more than payload and padding
  CHECK(Fault(bad) == RtpFault::kPadding);
  bad.back() = std::byte{9};
  CHECK(Fault(bad) == RtpFault::kNone);
  bad.back() = std::byte{0};
  CHECK(Fault(bad) == RtpFault::kPadding);
  for (const unsigned version : {0U, 1U, 3U}) {
    bad = bytes;
    bad[0] = static_cast<std::byte>((std::to_integer<unsigned>(bad[0]) & 0x3f) | version << 6);
    CHECK(Fault(bad) == RtpFault::kVersion);
  }
}

TEST_CASE("rtp: what cannot be written is not") {
  Bytes room(100);
  RtpPacket packet;
  CHECK(BuildRtp(packet, std::span(room).first(11)) == 0);
  CHECK(BuildRtp(packet, std::span(room).first(12)) == 12);
  packet.payload_type = 128;
  CHECK(BuildRtp(packet, room) == 0);
  packet = {};
  packet.csrc_count = 16;
  CHECK(BuildRtp(packet, room) == 0);
  packet = {};
  const Bytes odd = Filled(3);
  packet.extended = true;
  packet.extension = odd;
  CHECK(BuildRtp(packet, room) == 0);
}

TEST_CASE("rtp: what is built is read, whatever it is") {
  perf::Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const Bytes extension = Filled(static_cast<std::size_t>(random.Int(0, 20)) * 4);
    const Bytes payload = Filled(static_cast<std::size_t>(random.Int(0, 400)));
    RtpPacket packet;
    packet.payload_type = static_cast<std::uint8_t>(random.Int(0, 127));
    packet.marker = random.Int(0, 1) == 1;
    packet.sequence = static_cast<std::uint16_t>(random.Next());
    packet.timestamp = static_cast<std::uint32_t>(random.Next());
    packet.ssrc = static_cast<std::uint32_t>(random.Next());
    packet.csrc_count = static_cast<std::uint8_t>(random.Int(0, 15));
    for (std::size_t c = 0; c < packet.csrc_count; ++c) packet.csrcs[c] = 7U * c + 1;
    packet.extended = random.Int(0, 1) == 1;
    if (packet.extended) packet.extension = extension;
    packet.payload = payload;
    packet.padding = static_cast<std::uint8_t>(random.Int(0, 255));
    const Bytes bytes = Built(packet);
    RtpPacket read;
    REQUIRE(ParseRtp(bytes, read) == RtpFault::kNone);
    REQUIRE(Built(read) == bytes);
    REQUIRE(std::ranges::equal(read.payload, payload));
  }
}

TEST_CASE("rtcp is told by its packet types") {
  Bytes bytes = Filled(8);
  bytes[0] = std::byte{0x80};
  for (unsigned type = 0; type < 256; ++type) {
    bytes[1] = static_cast<std::byte>(type);
    CHECK(IsRtcp(bytes) == (type >= 192 && type <= 223));
  }
  CHECK_FALSE(IsRtcp(std::span(bytes).first(3)));
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/rtp_socket.hpp"

#include <doctest/doctest.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/rtp_batch.hpp"
#include "libperf/backends/rtp_demux.hpp"
#include "libperf/base/error.hpp"

using namespace perf;
using namespace perf::backends;
using namespace std::chrono_literals;

namespace {

RtpSocketOptions Any(const char* address = "127.0.0.1:0") {
  RtpSocketOptions options;
  options.local = ResolveEndpoint(address);
  return options;
}

audio::RtpPacket Packet(std::uint16_t sequence, std::span<const std::byte> payload) {
  audio::RtpPacket packet;
  packet.sequence = sequence;
  packet.ssrc = 7;
  packet.payload = payload;
  return packet;
}

/// Receives until `count` packets have come.
template <typename Each>
std::size_t Gather(RtpSocket& socket, std::size_t count, Each each) {
  RtpInbox inbox(16, 64);
  std::size_t got = 0;
  while (got < count) {
    pollfd waiting{socket.Descriptor(), POLLIN, 0};
    if (::poll(&waiting, 1, 5000) <= 0) break;
    const std::size_t batch = socket.Receive(inbox);
    for (std::size_t i = 0; i < batch; ++i) each(inbox.At(i));
    got += batch;
  }
  return got;
}

}  // namespace

TEST_CASE("rtp socket: batches go over, with who sent them and when") {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    RtpSocket sender(Any(address)), receiver(Any(address));
    sender.Connect(receiver.Local());
    RtpOutbox outbox(32, 8);
    const TimePoint before = Clock::now();
    for (std::uint16_t i = 0; i < 1000; ++i) {
      const std::span<std::byte> room = outbox.PayloadRoom();
      std::ranges::fill(room, static_cast<std::byte>(i));
      outbox.Add(Packet(i, room));
      if (outbox.Full()) CHECK(sender.Send(outbox) == 0);
    }
    CHECK(sender.Send(outbox) == 0);
    CHECK(outbox.Size() == 0);
    std::uint16_t next = 0;
    const std::size_t got = Gather(receiver, 1000, [&](const RtpInbox::Packet& packet) {
      audio::RtpPacket rtp;
      REQUIRE(audio::ParseRtp(packet.bytes, rtp) == audio::RtpFault::kNone);
      CHECK(rtp.sequence == next);
      CHECK(rtp.payload.size() == 8);
      CHECK(rtp.payload[7] == static_cast<std::byte>(next));
      CHECK(packet.source == sender.Local());
      CHECK(packet.arrival >= before - 1ms);
      CHECK(packet.arrival <= Clock::now());
      ++next;
    });
    CHECK(got == 1000);
    CHECK(receiver.Drops() == 0);
  }
}

TEST_CASE("rtp socket: a packet is stamped when the kernel has it, not when it is read") {
  RtpSocket sender(Any()), receiver(Any());
  sender.Connect(receiver.Local());
  RtpOutbox outbox;
  const std::array<std::byte, 4> payload{};
  outbox.Add(Packet(1, payload));
  CHECK(sender.Send(outbox) == 0);
  const TimePoint sent = Clock::now();
  std::this_thread::sleep_until(sent + 50ms);
  Gather(receiver, 1, [&](const RtpInbox::Packet& packet) { CHECK(packet.arrival <= sent + 1ms); });
}

TEST_CASE("rtp socket: without a connection each packet has its own target") {
  RtpSocket sender(Any()), one(Any()), other(Any());
  RtpOutbox outbox;
  const std::array<std::byte, 4> payload{};
  const audio::Endpoint to_one = one.Local(), to_other = other.Local();
  outbox.Add(Packet(1, payload), &to_one);
  outbox.Add(Packet(2, payload), &to_other);
  CHECK(sender.Send(outbox) == 0);
  const auto received = [](RtpSocket& socket) {
    int sequence = -1;
    Gather(socket, 1, [&](const RtpInbox::Packet& packet) {
      audio::RtpPacket rtp;
      audio::ParseRtp(packet.bytes, rtp);
      sequence = rtp.sequence;
    });
    return sequence;
  };
  CHECK(received(one) == 1);
  CHECK(received(other) == 2);
}

TEST_CASE("rtp socket: packets of one size go down together, and come apart as they were") {
  for (const bool refused : {false, true}) {
    CAPTURE(refused);
    RtpSocket sender(Any()), receiver(Any());
    sender.Connect(receiver.Local());
    // The kernel takes no bundles where it is not to make checksums.
    const int on = refused ? 1 : 0;
    REQUIRE(::setsockopt(sender.Descriptor(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == 0);
    RtpOutbox outbox(300, 32);
    const auto size_of = [](std::size_t i) -> std::size_t {
      return i < 150 ? 8 : i < 200 ? i % 32 : i % 3 == 0 ? 0 : 20;
    };
    for (std::size_t i = 0; i < 300; ++i) {
      const std::span<std::byte> payload = outbox.PayloadRoom().first(size_of(i));
      std::ranges::fill(payload, static_cast<std::byte>(i));
      outbox.Add(Packet(static_cast<std::uint16_t>(i), payload));
    }
    CHECK(sender.Send(outbox) == 0);
    std::size_t next = 0;
    Gather(receiver, 300, [&](const RtpInbox::Packet& packet) {
      audio::RtpPacket rtp;
      REQUIRE(audio::ParseRtp(packet.bytes, rtp) == audio::RtpFault::kNone);
      CHECK(rtp.sequence == next);
      CHECK(rtp.payload.size() == size_of(next));
      CHECK(std::ranges::all_of(
          rtp.payload, [&](std::byte byte) { return byte == static_cast<std::byte>(next); }));
      ++next;
    });
    CHECK(next == 300);
  }
}

TEST_CASE("rtp socket: a bundle is one datagram for whoever asks the kernel for it") {
  RtpSocket sender(Any()), receiver(Any());
  sender.Connect(receiver.Local());
  const int on = 1;
  if (::setsockopt(receiver.Descriptor(), SOL_UDP, UDP_GRO, &on, sizeof on) != 0) {
    MESSAGE("skipped: this kernel does not know UDP_GRO");
    return;
  }
  RtpOutbox outbox;
  const std::array<std::byte, 8> payload{};
  for (std::uint16_t i = 0; i < 10; ++i) outbox.Add(Packet(i, payload));
  CHECK(sender.Send(outbox) == 0);
  CHECK(Gather(receiver, 1, [](const RtpInbox::Packet& packet) { CHECK(packet.size == 200); }) ==
        1);
}

TEST_CASE("rtp socket: a packet that is too long is cut and told") {
  RtpSocket sender(Any()), receiver(Any());
  sender.Connect(receiver.Local());
  RtpOutbox outbox;
  const std::vector<std::byte> payload(1000);
  outbox.Add(Packet(1, payload));
  sender.Send(outbox);
  CHECK(Gather(receiver, 1, [](const RtpInbox::Packet& packet) {
          CHECK(packet.bytes.size() == 64);
          CHECK(packet.size == 1012);
        }) == 1);
}

TEST_CASE("rtp socket: a closed port is no error of the sender's") {
  RtpSocket sender(Any());
  {
    const RtpSocket gone(Any());
    sender.Connect(gone.Local());
  }
  RtpOutbox outbox;
  const std::array<std::byte, 4> payload{};
  for (int i = 0; i < 10; ++i) {
    outbox.Add(Packet(1, payload));
    CHECK(sender.Send(outbox) == 0);
  }
  RtpInbox inbox;
  CHECK(sender.Receive(inbox) == 0);
}

TEST_CASE("rtp socket: what does not fit into the buffer is counted by socket and kernel") {
  RtpSocketOptions small = Any();
  small.buffer_bytes = 4096;
  RtpSocket sender(Any()), receiver(small);
  sender.Connect(receiver.Local());
  const auto before = ReadUdpCounters();
  RtpOutbox outbox;
  const std::vector<std::byte> payload(500);
  for (int i = 0; i < 20; ++i) {
    while (!outbox.Full()) outbox.Add(Packet(1, payload));
    CHECK(sender.Send(outbox) == 0);
  }
  REQUIRE(receiver.Drops());
  CHECK(*receiver.Drops() > 0);
  const auto after = ReadUdpCounters();
  REQUIRE(before);
  REQUIRE(after);
  CHECK(after->rcvbuf_errors >= before->rcvbuf_errors + *receiver.Drops());
}

TEST_CASE("rtp socket: buffers are as large as asked for, or it is said why not") {
  RtpSocket socket(Any());
  if (socket.BufferRemark().empty()) {
    CHECK(socket.ReceiveBuffer() >= std::size_t{4} << 20);
  } else {
    CHECK(socket.BufferRemark().find("mem_max") != std::string::npos);
  }
  RtpSocketOptions huge = Any();
  huge.buffer_bytes = std::size_t{1} << 30;
  const RtpSocket bound(huge);
  CHECK((bound.ReceiveBuffer() >= std::size_t{1} << 30) == bound.BufferRemark().empty());
}

TEST_CASE("rtp socket: addresses") {
  CHECK(ResolveEndpoint("127.0.0.1:5004").ToString() == "127.0.0.1:5004");
  CHECK(ResolveEndpoint("[::1]:65535").ToString() == "[::1]:65535");
  CHECK(IsLoopback(ResolveEndpoint("127.9.9.9:1")));
  CHECK(IsLoopback(ResolveEndpoint("[::1]:1")));
  CHECK_FALSE(IsLoopback(ResolveEndpoint("192.0.2.1:1")));
  CHECK_FALSE(IsLoopback(ResolveEndpoint("[2001:db8::1]:1")));
  for (const char* bad : {"", ":", ":5004", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                          "127.0.0.1:65536", "127.0.0.1:-1"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(ResolveEndpoint(bad), UsageError);
  }
  CHECK_THROWS_AS(ResolveEndpoint("no.such.host.invalid:1"), UnreachableError);
  CHECK_THROWS_AS(RtpSocket(Any("192.0.2.1:0")), IoError);
  const RtpSocket taken(Any());
  RtpSocketOptions same;
  same.local = taken.Local();
  CHECK_THROWS_AS(RtpSocket{same}, IoError);
}

TEST_CASE("rtp demux: streams are told apart by sender and SSRC, up to a bound") {
  RtpDemux demux(1000);
  std::set<std::size_t> numbers;
  for (std::uint16_t port = 0; port < 10; ++port) {
    audio::Endpoint source = ResolveEndpoint("127.0.0.1:0");
    source.port = port;
    for (std::uint32_t ssrc = 0; ssrc < 100; ++ssrc) {
      const auto number = demux.Find(source, ssrc);
      REQUIRE(number);
      CHECK(*number == port * 100U + ssrc);
      numbers.insert(*number);
      CHECK(demux.Find(source, ssrc) == number);
    }
  }
  CHECK(numbers.size() == 1000);
  CHECK_FALSE(demux.Find(ResolveEndpoint("[::1]:0"), 0));
  CHECK(demux.Find(ResolveEndpoint("127.0.0.1:3"), 7) == 307);
  CHECK(demux.Size() == 1000);
}

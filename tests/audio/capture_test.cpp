// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/capture/capture.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "libperf/audio/capture/rtpdump.hpp"
#include "libperf/audio/rtp/reception.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/audio/captures.hpp"
#include "tests/audio/shared_audio.hpp"

using namespace perf::audio;
using perf::Duration;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using namespace test;

namespace {

struct Read {
  std::string bytes, source, destination;
  std::size_t size = 0;
  Duration at{};
  bool control = false;
};

struct All {
  std::vector<Read> packets;
  CaptureCounts counts;
  std::string format;
};

All ReadAll(std::string_view file) {
  // In small pieces, as from a pipe.
  PullBytes pull = [left = AsBytes(file)](std::span<std::byte> into) mutable {
    const std::size_t count = std::min({into.size(), left.size(), std::size_t{1000}});
    std::copy_n(left.begin(), count, into.begin());
    left = left.subspan(count);
    return count;
  };
  All all;
  const auto reader = OpenCapture(std::move(pull), "t");
  REQUIRE(reader != nullptr);
  CapturedPacket packet;
  while (reader->Next(packet)) {
    const auto& bytes = packet.datagram.bytes;
    all.packets.push_back({std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
                           packet.datagram.source.ToString(),
                           packet.datagram.destination.ToString(), packet.datagram.size, packet.at,
                           packet.control});
  }
  all.counts = reader->Counts();
  all.format = reader->Format();
  return all;
}

/// What is said of a file that cannot be read; "" where it can.
std::string Refusal(std::string_view file) {
  try {
    ReadAll(file);
    return "";
  } catch (const perf::ConfigError& error) {
    return error.what();
  }
}

/// The payload of the one datagram of a frame; nothing where it has none.
std::optional<std::string> OfFrame(std::string_view frame, std::uint32_t link = 1) {
  const All all = ReadAll(PcapHead(false, false, link) + PcapRecord(frame, 0));
  if (all.packets.empty()) return std::nullopt;
  return all.packets[0].bytes;
}

}  // namespace

TEST_CASE("rtpdump: what is written is read") {
  std::string file = RtpdumpHead();
  const std::string first = RtpText(1, 160, "abc"), second = RtpText(2, 320, "");
  AppendRtpdump(file, AsBytes(first), milliseconds(0));
  AppendRtpdump(file, AsBytes("rtcp"), milliseconds(15), true);
  AppendRtpdump(file, AsBytes(second), milliseconds(20));
  const All all = ReadAll(file);
  CHECK(all.format == "rtpdump");
  REQUIRE(all.packets.size() == 3);
  CHECK(all.packets[0].bytes == first);
  CHECK(all.packets[0].source.empty());
  CHECK(all.packets[1].control);
  CHECK(all.packets[2].bytes == second);
  CHECK(all.packets[2].at == milliseconds(20));
  CHECK_FALSE(all.counts.ends_early);
}

TEST_CASE("rtpdump: an address or none, a cut packet, 49 days, an early end") {
  for (const char* address : {"", "127.0.0.1/5004", "0.0.0.0/0"}) {
    const std::string head = std::string("#!rtpplay1.0 ") + address + "\n" + std::string(16, '\0');
    FileBytes file;
    file.Add(head).Big(8 + 4, 2).Big(172, 2).Big(0xffffffff, 4).Add("abcd");  // headers only
    file.Big(8, 2).Big(172, 2).Big(19, 4);                                    // nothing at all
    const All all = ReadAll(file.Text());
    REQUIRE(all.packets.size() == 2);
    CHECK(all.packets[0].bytes == "abcd");
    CHECK(all.packets[0].size == 172);
    CHECK(all.packets[1].bytes.empty());
    CHECK(all.packets[1].at - all.packets[0].at == milliseconds(20));
    for (std::size_t cut = head.size() + 1; cut < file.Text().size(); ++cut) {
      const All part = ReadAll(file.Text().substr(0, cut));
      CHECK(part.counts.ends_early == (cut != head.size() + 12));
    }
    CHECK_FALSE(ReadAll(head).counts.ends_early);
    CHECK(Refusal(head.substr(0, head.size() - 1)).find("ends within its header") !=
          std::string::npos);
  }
  CHECK(Refusal("#!rtpplay1.0 no end of line" + std::string(400, 'x')).find("rtpplay1.0") !=
        std::string::npos);
  CHECK(Refusal("#!rtpplay2.0 /0\n" + std::string(16, '\0')).find("rtpplay1.0") !=
        std::string::npos);
  CHECK(Refusal(FileBytes().Add(RtpdumpHead()).Big(7, 2).Big(0, 2).Big(0, 4).Text())
            .find("7 bytes") != std::string::npos);
}

TEST_CASE("pcap: both byte orders, micro- and nanoseconds") {
  const std::string frame = Ethernet(Ipv4(Udp("hello")));
  for (const bool big : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      const std::int64_t at = 1'700'000'000'123'456'789;
      const All all = ReadAll(PcapHead(big, nanoseconds) + PcapRecord(frame, at, big, nanoseconds));
      CHECK(all.format == "pcap");
      REQUIRE(all.packets.size() == 1);
      CHECK(all.packets[0].bytes == "hello");
      CHECK(all.packets[0].source == "10.0.0.1:4000");
      CHECK(all.packets[0].destination == "10.0.0.2:5004");
      CHECK(all.packets[0].at == Duration(nanoseconds ? at : at / 1000 * 1000));
    }
  }
}

TEST_CASE("pcap: links") {
  const std::string ip = Ipv4(Udp("x")), ip6 = Ipv6(Udp("y"));
  CHECK(OfFrame(Ethernet(ip)) == "x");
  CHECK(OfFrame(Ethernet(ip6, 0x86dd)) == "y");
  const auto tagged = [](std::string_view body, int type, int tag) {
    return FileBytes()
        .Big(static_cast<unsigned>(tag), 2)
        .Big(static_cast<unsigned>(type), 2)
        .Add(body)
        .Text();
  };
  CHECK(OfFrame(Ethernet(tagged(ip, 0x0800, 5), 0x8100)) == "x");
  CHECK(OfFrame(Ethernet(tagged(tagged(ip6, 0x86dd, 5), 0x8100, 7), 0x88a8)) == "y");
  CHECK(OfFrame(FileBytes().Big(0, 8).Big(0, 6).Big(0x0800, 2).Add(ip).Text(), 113) == "x");
  CHECK(OfFrame(FileBytes().Big(0x86dd, 2).Big(0, 8).Big(0, 8).Big(0, 2).Add(ip6).Text(), 276) ==
        "y");
  CHECK(OfFrame(ip, 101) == "x");
  CHECK(OfFrame(ip6, 101) == "y");
  CHECK(OfFrame(ip, 12) == "x");
  CHECK(OfFrame(ip6, 229) == "y");
  CHECK(OfFrame(FileBytes().Little(2, 4).Add(ip).Text(), 0) == "x");
  CHECK(OfFrame(FileBytes().Big(30, 4).Add(ip6).Text(), 108) == "y");
  CHECK_FALSE(OfFrame(Ethernet(ip, 0x0806)));
  CHECK_FALSE(OfFrame(Ethernet(ip, 0x86dd)));
  CHECK(Refusal(PcapHead(false, false, 127) + PcapRecord("x", 0)).find("link type 127") !=
        std::string::npos);
  // A check sequence behind frames is told in the upper bits.
  CHECK(OfFrame(Ethernet(ip), 0xf400'0001) == "x");
}

TEST_CASE("pcap: IP and UDP tell where they end, and that is held against the bytes") {
  const std::string ip = Ipv4(Udp("hello"));
  CHECK(OfFrame(Ethernet(ip + "padding of the frame")) == "hello");
  CHECK(OfFrame(Ethernet(Ipv4(Udp("hello"), 17, 0, 3))) == "hello");  // with options
  CHECK(OfFrame(Ethernet(Ipv4(Udp("hello") + "trailer"))) == "hello");
  CHECK_FALSE(OfFrame(Ethernet(Ipv4(Udp("hello"), 6))));
  for (const int fragment : {0x2000, 0x0001, 0x2001}) {
    const All all = ReadAll(PcapHead() + PcapRecord(Ethernet(Ipv4(Udp("hello"), 17, fragment)), 0));
    CHECK(all.packets.empty());
    CHECK(all.counts.fragments == 1);
  }
  CHECK(OfFrame(Ethernet(Ipv4(Udp("hello"), 17, 0x4000))) == "hello");  // "don't fragment"
  std::string bad = Ethernet(ip);
  bad[14] = '\x44';  // a header of 16 bytes
  CHECK_FALSE(OfFrame(bad));
  bad = Ethernet(ip);
  bad[17] = '\x13';  // 19 bytes in all
  CHECK_FALSE(OfFrame(bad));
  bad[17] = 0;  // filled in by the card
  CHECK(OfFrame(bad) == "hello");
  bad = Ethernet(ip);
  bad[39] = 7;  // UDP's own length, below its header
  CHECK_FALSE(OfFrame(bad));
  bad[39] = 0;
  CHECK(OfFrame(bad) == "hello");
  bad[39] = 8;
  CHECK(OfFrame(bad) == "");
  bad[38] = '\x7f';  // beyond IP's
  CHECK(OfFrame(bad) == "hello");
}

TEST_CASE("pcap: headers between IPv6 and UDP") {
  const std::string udp = Udp("y");
  const auto options = [](int next, std::string_view body) {
    return FileBytes()
        .Big(static_cast<unsigned>(next), 1)
        .Big(1, 1)
        .Big(0, 8)
        .Big(0, 6)
        .Add(body)
        .Text();
  };
  const auto fragment = [](int next, int field, std::string_view body) {
    return FileBytes()
        .Big(static_cast<unsigned>(next), 1)
        .Big(0, 1)
        .Big(static_cast<unsigned>(field), 2)
        .Big(9, 4)
        .Add(body)
        .Text();
  };
  CHECK(OfFrame(Ipv6(options(60, options(17, udp)), 0), 101) == "y");
  CHECK(OfFrame(Ipv6(fragment(17, 0, udp), 44), 101) == "y");  // the only one of its kind
  CHECK_FALSE(OfFrame(Ipv6(fragment(17, 1, udp), 44), 101));
  CHECK_FALSE(OfFrame(Ipv6(fragment(17, 8, udp), 44), 101));
  CHECK(OfFrame(Ipv6(FileBytes().Big(17, 1).Big(1, 1).Big(0, 8).Big(0, 2).Add(udp).Text(), 51),
                101) == "y");
  std::string many = udp;
  for (int i = 0; i < 20; ++i) many = options(i == 0 ? 17 : 60, many);
  CHECK_FALSE(OfFrame(Ipv6(many, 60), 101));
  CHECK_FALSE(OfFrame(Ipv6(udp, 58), 101));
}

TEST_CASE("pcap: what the snap length cut is told, header and all") {
  const std::string frame = Ethernet(Ipv4(Udp(std::string(200, 'p'))));
  for (std::size_t keep = 0; keep <= frame.size(); ++keep) {
    CAPTURE(keep);
    const All all = ReadAll(PcapHead() + PcapRecord(frame, 0, false, false, keep));
    CHECK(all.counts.records == 1);
    const std::size_t headers = 14 + 20 + 8;
    if (keep < headers) {
      CHECK(all.counts.headless == 1);
      CHECK(all.packets.empty());
    } else {
      REQUIRE(all.packets.size() == 1);
      CHECK(all.packets[0].bytes.size() == keep - headers);
      CHECK(all.packets[0].size == 200);
    }
  }
}

TEST_CASE("pcap: damage and early ends") {
  const std::string file = PcapHead() + PcapRecord(Ethernet(Ipv4(Udp("a"))), 0) +
                           PcapRecord(Ethernet(Ipv4(Udp("b"))), 1000);
  for (std::size_t cut = 24; cut <= file.size(); ++cut) {
    const All all = ReadAll(file.substr(0, cut));
    const std::size_t record = (file.size() - 24) / 2;
    CHECK(all.packets.size() == (cut - 24) / record);
    CHECK(all.counts.ends_early == ((cut - 24) % record != 0));
  }
  CHECK(Refusal(file.substr(0, 23)).find("ends within its header") != std::string::npos);
  CHECK(Refusal(PcapHead() + FileBytes().Little(0, 8).Little(0x7fffffff, 4).Little(60, 4).Text())
            .find("damaged") != std::string::npos);
}

TEST_CASE("captures: neither one nor the other") {
  for (const char* text : {"", "x", "RIFF____WAVE", "#!rtp", "\xa1\xb2"}) {
    CHECK(OpenCapture(PullMemory(AsBytes(text)), "t") == nullptr);
  }
  CHECK_THROWS_AS(OpenCapture("/nonexistent/capture"), perf::ConfigError);
  CHECK_THROWS_AS(OpenCapture("/"), perf::ConfigError);
  CHECK_THROWS_AS(OpenCapture("/dev/zero"), perf::ConfigError);
}

namespace {

std::string Block(bool big, std::uint32_t type, const std::string& body) {
  const std::string padded = body + std::string((4 - body.size() % 4) % 4, '\0');
  return FileBytes()
      .In(big, type, 4)
      .In(big, padded.size() + 12, 4)
      .Add(padded)
      .In(big, padded.size() + 12, 4)
      .Text();
}
std::string Section(bool big) {
  return Block(big, 0x0a0d0d0a,
               FileBytes()
                   .In(big, 0x1a2b3c4d, 4)
                   .In(big, 1, 2)
                   .In(big, 0, 2)
                   .In(big, ~std::uint64_t{0}, 8)
                   .Text());
}
std::string Interface(bool big, std::uint32_t link, std::uint32_t snap = 0,
                      const std::string& options = "") {
  return Block(big, 1,
               FileBytes().In(big, link, 2).In(big, 0, 2).In(big, snap, 4).Add(options).Text());
}
std::string Packet(bool big, std::uint32_t interface, std::uint64_t ticks, const std::string& frame,
                   std::size_t keep = std::string::npos) {
  const std::string kept = frame.substr(0, keep);
  return Block(big, 6,
               FileBytes()
                   .In(big, interface, 4)
                   .In(big, ticks >> 32, 4)
                   .In(big, ticks & 0xffffffff, 4)
                   .In(big, kept.size(), 4)
                   .In(big, frame.size(), 4)
                   .Add(kept)
                   .Text());
}

}  // namespace

TEST_CASE("pcapng: sections, interfaces, resolutions") {
  const std::string frame = Ethernet(Ipv4(Udp("ng"))), raw = Ipv6(Udp("raw"));
  for (const bool big : {false, true}) {
    CAPTURE(big);
    const auto option = [big](int code, const std::string& value) {
      return FileBytes()
          .In(big, static_cast<unsigned>(code), 2)
          .In(big, value.size(), 2)
          .Add(value)
          .Add(std::string((4 - value.size() % 4) % 4, '\0'))
          .Text();
    };
    std::string file = Section(big) + Interface(big, 1) + Block(big, 0xbad, "others are left out");
    file += Interface(
        big, 101, 0,
        option(9, "\x09") + option(14, FileBytes().In(big, 100, 8).Text()) + option(0, ""));
    file += Interface(big, 1, 0, option(9, "\x8a"));  // 1/1024 s
    file += Interface(big, 127);
    file += Packet(big, 0, 1'700'000'000'000'001, frame);
    file += Packet(big, 1, 5'000'000'007, raw);
    file += Packet(big, 2, 1536, frame, 44);
    file += Packet(big, 3, 0, frame);
    file += Block(big, 3, FileBytes().In(big, frame.size(), 4).Add(frame).Text());
    // A new section, in the other order, knows none of these interfaces.
    file += Section(!big) + Interface(!big, 101) + Packet(!big, 0, 1, raw);
    const All all = ReadAll(file);
    CHECK(all.format == "pcapng");
    REQUIRE(all.packets.size() == 5);
    CHECK(all.packets[0].bytes == "ng");
    CHECK(all.packets[0].at == microseconds(1'700'000'000'000'001));
    CHECK(all.packets[1].bytes == "raw");
    CHECK(all.packets[1].source == "[::1]:4000");
    CHECK(all.packets[1].at == Duration(105'000'000'007));
    CHECK(all.packets[2].size == 2);
    CHECK(all.packets[2].at == milliseconds(1500));
    CHECK(all.packets[3].bytes == "ng");
    CHECK(all.packets[4].at == microseconds(1));
    CHECK(all.counts.other_links == 1);
    CHECK(Refusal(Section(big) + Packet(big, 0, 0, frame)).find("not described") !=
          std::string::npos);
    CHECK(ReadAll(file.substr(0, file.size() - 3)).counts.ends_early);
  }
  CHECK(Refusal(Section(false) + Block(false, 6, "short")).find("ends within its header") !=
        std::string::npos);
  CHECK(Refusal(Section(false) + FileBytes().Little(6, 4).Little(13, 4).Little(0, 8).Text())
            .find("damaged") != std::string::npos);
  std::string many = Section(false);
  for (int i = 0; i < 5000; ++i) many += Interface(false, 1);
  CHECK(Refusal(many).find("too many") != std::string::npos);
}

TEST_CASE("captures: whatever is broken is an error or an end, over random damage") {
  std::string dump = RtpdumpHead();
  for (int i = 0; i < 20; ++i)
    AppendRtpdump(dump, AsBytes(RtpText(static_cast<std::uint16_t>(i), 0, "payload")),
                  milliseconds(20 * i));
  std::string pcap = PcapHead(), ng = Section(false) + Interface(false, 1);
  for (int i = 0; i < 20; ++i) {
    pcap += PcapRecord(Ethernet(Ipv4(Udp("payload"))), i);
    ng += Packet(false, 0, static_cast<std::uint64_t>(i), Ethernet(Ipv6(Udp("payload")), 0x86dd));
  }
  perf::Random random(1);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string file = i % 3 == 0 ? dump : i % 3 == 1 ? pcap : ng;
    for (std::int64_t damage = random.Int(1, 5); damage > 0; --damage) {
      file[static_cast<std::size_t>(random.Int(4, static_cast<std::int64_t>(file.size()) - 1))] =
          static_cast<char>(random.Next());
    }
    file.resize(static_cast<std::size_t>(random.Int(16, static_cast<std::int64_t>(file.size()))));
    try {
      const auto reader = OpenCapture(PullMemory(AsBytes(file)), "t");
      CapturedPacket packet;
      int count = 0;
      while (reader && reader->Next(packet)) ++count;
      REQUIRE(count <= 2000);
    } catch (const perf::ConfigError&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("captures: real dumps, to the packet") {
  const std::string jitter = SharedAudio("stereo_pcmu_jitter.rtp"),
                    clean = SharedAudio("stereo_pcmu.rtp");
  const std::string pcap = SharedAudio("g711a.pcap");
  if (jitter.empty() || clean.empty() || pcap.empty()) return;
  const auto stats = [](const std::string& path) {
    const auto reader = OpenCapture(path);
    Reception reception(8000);
    CapturedPacket packet;
    while (reader->Next(packet)) {
      RtpPacket rtp;
      REQUIRE(ParseRtp(packet.datagram.bytes, rtp) == RtpFault::kNone);
      reception.Add(rtp.sequence, rtp.timestamp, packet.at, rtp.payload.size());
    }
    return reception.Stats();
  };
  const ReceptionStats bad = stats(jitter);
  CHECK(bad.packets == 2009);
  CHECK(bad.lost == 53);
  CHECK(bad.reordered == 468);
  CHECK(bad.duplicates == 0);
  CHECK(bad.restarts == 0);
  CHECK(std::abs(*bad.jitter_max_ms - 33.85) < 0.15);
  const ReceptionStats good = stats(clean);
  CHECK(good.packets == 2062);
  CHECK(good.lost == 0);
  CHECK(*good.jitter_max_ms == 0);
  const ReceptionStats call = stats(pcap);
  CHECK(call.packets == 236);
  CHECK(call.lost == 0);
  CHECK(*call.jitter_max_ms < 1);
}

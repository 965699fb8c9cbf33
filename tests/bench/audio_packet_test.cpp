// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_packet.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/bench/audio_ends.hpp"

using namespace perf;
using namespace perf::bench;

namespace {

/// A queue of one packet, whose content a test may change.
struct OneBuffer {
  explicit OneBuffer(std::size_t bytes) : data(bytes) {}
  std::byte* BeginWrite() noexcept { return full ? nullptr : data.data(); }
  void CommitWrite() noexcept { full = true; }
  std::span<const std::byte> Peek() const noexcept {
    return full ? std::span<const std::byte>(data) : std::span<const std::byte>();
  }
  void Pop() noexcept { full = false; }
  std::vector<std::byte> data;
  bool full = false;
};

}  // namespace

TEST_CASE("test packets: every byte counts") {
  const std::vector<std::byte> sound(10, std::byte{7});
  for (const std::size_t bytes : {24, 31, 40, 160, 960, 961, 967}) {
    for (const bool noise : {true, false}) {
      const TestPackets packets(bytes, noise ? std::span<const std::byte>() : sound);
      std::vector<std::byte> packet(bytes);
      packets.Fill(packet.data(), 5, 1'000'000'000'000);
      TestPackets::Seen seen = packets.Look(packet.data());
      CHECK(seen.whole);
      CHECK(seen.stream == 5);
      CHECK(seen.number == 1'000'000'000'000);
      for (std::size_t at = 0; at < bytes; ++at) {
        packet[at] ^= std::byte{0x10};
        CHECK_FALSE(packets.Look(packet.data()).whole);
        packet[at] ^= std::byte{0x10};
      }
    }
  }
  CHECK_THROWS_AS(TestPackets(23), UsageError);
}

TEST_CASE("test packets: half of one and half of another, and words that moved, are torn") {
  const TestPackets packets(960);
  std::vector<std::byte> one(960), other(960);
  for (std::uint64_t number = 0; number < 200; ++number) {
    packets.Fill(one.data(), 1, number);
    packets.Fill(other.data(), 1, number + 10);
    std::memcpy(one.data() + 480, other.data() + 480, 480);
    CHECK_FALSE(packets.Look(one.data()).whole);
    std::memcpy(one.data(), other.data(), 480);
    CHECK(packets.Look(one.data()).whole);
    // Shifted by a word, as after a wrong wrap.
    std::memmove(one.data() + 16, one.data() + 24, 936);
    CHECK_FALSE(packets.Look(one.data()).whole);
  }
}

TEST_CASE("packet tally: lost, torn, leaked and repeated are counted apart") {
  PacketTally tally;
  std::uint64_t next = 0;
  tally.Count({true, 3, 0}, 3, next);
  tally.Count({true, 3, 4}, 3, next);    // 1, 2 and 3 are lost
  tally.Count({true, 3, 4}, 3, next);    // once more
  tally.Count({false, 9, 99}, 3, next);  // 5
  tally.Count({true, 4, 6}, 3, next);    // another's in place of 6
  tally.Count({true, 3, 7}, 3, next);
  CHECK(tally.whole == 3);
  CHECK(tally.lost == 3);
  CHECK(tally.repeated == 1);
  CHECK(tally.torn == 1);
  CHECK(tally.leaked == 1);
  CHECK(next == 8);
}

TEST_CASE("ends: an empty and a full buffer are counted by frames and by events") {
  const TestPackets packets(160);
  OneBuffer buffer(160);
  WriteTally wrote;
  ReadTally read;
  Writer<OneBuffer> writer(WriteEnd<OneBuffer>(buffer, packets, wrote, 7), 1);
  Reader<OneBuffer> reader(ReadEnd<OneBuffer>(buffer, packets, read, 7));
  Inline<OneBuffer> both(writer, reader);
  const TimePoint due{};
  reader.OnDue(due);
  reader.OnDue(due);
  writer.OnDue(due);  // 0
  reader.OnDue(due);
  reader.OnDue(due);
  CHECK(read.underrun_frames == 3);
  CHECK(read.underrun_events == 2);
  writer.Write(3);  // 1, and no room for 2 and 3
  reader.OnDue(due);
  writer.Write(2);  // 4, and no room for 5
  reader.OnDue(due);
  CHECK(wrote.overrun_frames == 3);
  CHECK(wrote.overrun_events == 2);
  CHECK(read.packets.lost == 2);
  both.OnDue(due);  // 6
  CHECK(read.packets.lost == 3);
  CHECK(read.packets.whole == 4);
  CHECK(wrote.written == 4);
  // What a broken buffer would do.
  writer.OnDue(due);
  buffer.data[50] ^= std::byte{1};
  reader.OnDue(due);
  WriteTally another;
  Writer<OneBuffer>(WriteEnd<OneBuffer>(buffer, packets, another, 8), 1).OnDue(due);
  reader.OnDue(due);
  CHECK(read.packets.torn == 1);
  CHECK(read.packets.leaked == 1);
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/rtp/reception.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "libperf/base/random.hpp"

using namespace perf::audio;
using perf::Duration;
using std::chrono::milliseconds;

namespace {

/// G.711 in 20 ms: packet `number` of the sender, sent at its time, `late` on its way.
struct Sender {
  Reception reception{8000};
  std::uint32_t timestamp = 0;
  std::uint16_t sequence = 0;

  void Send(std::int64_t number, Duration late = {}) {
    reception.Add(static_cast<std::uint16_t>(sequence + number),
                  static_cast<std::uint32_t>(timestamp + number * 160),
                  milliseconds(20) * number + late, 160);
  }
  ReceptionStats Stats() const { return reception.Stats(); }
};

}  // namespace

TEST_CASE("reception: an even stream") {
  Sender sender{.timestamp = 0xffffff00, .sequence = 65'500};
  for (int i = 0; i < 200'000; ++i) sender.Send(i);  // three times around the sequence numbers
  const ReceptionStats stats = sender.Stats();
  CHECK(stats.packets == 200'000);
  CHECK(stats.bytes == 200'000 * 160);
  CHECK(stats.lost == 0);
  CHECK(stats.reordered == 0);
  CHECK(stats.duplicates == 0);
  CHECK(stats.restarts == 0);
  CHECK(stats.jitter_max_ms == 0.0);
  CHECK(std::abs(*stats.drift_ppm) < 0.01);
  CHECK(sender.reception.Confirmed());
}

TEST_CASE("reception: loss, reorder and duplicates, around a wrap") {
  Sender sender{.timestamp = 0xfffff000, .sequence = 65'530};
  for (const int number : {0, 1, 3, 2, 4, 4, 7, 8, 6, 8, 12}) sender.Send(number);
  const ReceptionStats stats = sender.Stats();
  CHECK(stats.packets == 11);
  CHECK(stats.reordered == 2);   // 2 and 6
  CHECK(stats.duplicates == 2);  // 4 and 8
  CHECK(stats.lost == 4);        // 5, 9, 10, 11
  CHECK(stats.restarts == 0);
  CHECK(stats.timestamp_jumps == 0);
  CHECK(*stats.jitter_max_ms < 20);
}

TEST_CASE("reception: bug 8: 65530..5 with reorder is no wrap of a wrap") {
  Sender sender{.sequence = 65'530};
  for (const int number : {0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 11}) sender.Send(number);
  CHECK(sender.Stats().lost == 0);
  CHECK(sender.Stats().reordered == 5);
  CHECK(*sender.Stats().jitter_max_ms < 40);
}

TEST_CASE("reception: the first to come was not the first to be sent") {
  Sender sender;
  for (const int number : {3, 1, 2, 0, 4}) sender.Send(number);
  CHECK(sender.Stats().lost == 0);
  CHECK(sender.Stats().reordered == 3);
}

TEST_CASE("reception: jitter by RFC 3550, A.8") {
  Reception reception(8000);
  reception.Add(1, 0, milliseconds(0), 0);
  reception.Add(2, 160, milliseconds(36), 0);  // D = 16 ms
  CHECK(*reception.Stats().jitter_ms == doctest::Approx(1.0));
  reception.Add(3, 320, milliseconds(40), 0);  // D = -16 ms
  CHECK(*reception.Stats().jitter_ms == doctest::Approx(1.0 + 15.0 / 16));
  CHECK(*reception.Stats().jitter_max_ms == *reception.Stats().jitter_ms);
  // A reordered packet counts, in the order of arrival.
  reception.Add(5, 640, milliseconds(80), 0);
  const double before = *reception.Stats().jitter_ms;
  reception.Add(4, 480, milliseconds(81), 0);  // D = 1 + 20 ms
  CHECK(*reception.Stats().jitter_ms == doctest::Approx(before + (21 - before) / 16));
}

TEST_CASE("reception: bug 8: a backward jump is a restart, without jitter of days") {
  for (const bool timestamps_too : {false, true}) {
    CAPTURE(timestamps_too);
    Reception reception(8000);
    std::uint32_t timestamp = 1000;
    int number = 0;
    const auto send = [&](int sequence) {
      reception.Add(static_cast<std::uint16_t>(sequence), timestamp, milliseconds(20 * number++),
                    160);
      timestamp += 160;
    };
    for (int sequence = 21'000; sequence <= 21'294; ++sequence) send(sequence);
    if (timestamps_too) timestamp -= 8618U * 160U;
    for (int sequence = 12'676; sequence < 13'000; ++sequence) send(sequence);
    const ReceptionStats stats = reception.Stats();
    CHECK(stats.restarts == 1);
    CHECK(stats.lost == 0);
    CHECK(stats.reordered == 0);
    CHECK(stats.strays == 0);
    CHECK(*stats.jitter_max_ms < 1);
  }
}

TEST_CASE("reception: a source that begins anew close behind itself") {
  Sender sender;
  for (int i = 0; i < 500; ++i) sender.Send(i);
  // Numbers fall by 50, timestamps go on.
  for (int i = 500; i < 1000; ++i) {
    sender.reception.Add(static_cast<std::uint16_t>(i - 50), static_cast<std::uint32_t>(i * 160),
                         milliseconds(20 * i), 160);
  }
  CHECK(sender.Stats().restarts == 1);
  CHECK(sender.Stats().duplicates == 0);
  CHECK(sender.Stats().lost == 0);
}

TEST_CASE("reception: what is far ahead is loss where time passed, else a restart or a stray") {
  Sender lossy;
  for (int i = 0; i < 100; ++i) lossy.Send(i);
  for (int i = 6000; i < 6100; ++i) lossy.Send(i);  // two minutes of an outage
  CHECK(lossy.Stats().lost == 5900);
  CHECK(lossy.Stats().restarts == 0);
  CHECK(*lossy.Stats().jitter_max_ms == 0);

  Sender restarted;
  for (int i = 0; i < 100; ++i) restarted.Send(i);
  for (int i = 100; i < 200; ++i) {
    restarted.reception.Add(static_cast<std::uint16_t>(i + 6000), 77'777'777U + 160U * i,
                            milliseconds(20 * i), 160);
  }
  CHECK(restarted.Stats().lost == 0);
  CHECK(restarted.Stats().restarts == 1);
  CHECK(*restarted.Stats().jitter_max_ms < 1);

  Sender strayed;
  for (int i = 0; i < 100; ++i) strayed.Send(i);
  strayed.reception.Add(9999, 4'000'000'000U, milliseconds(1990), 160);
  CHECK(strayed.Stats().strays == 1);  // also while nothing has followed yet
  CHECK(strayed.Stats().lost == 0);
  for (int i = 100; i < 200; ++i) strayed.Send(i);
  CHECK(strayed.Stats().strays == 1);
  CHECK(strayed.Stats().packets == 201);
  CHECK(strayed.Stats().lost == 0);
  CHECK(*strayed.Stats().jitter_max_ms < 1);
}

TEST_CASE("reception: a straggler of three seconds is reordered, its number counted once") {
  Sender sender;
  for (int i = 0; i < 150; ++i) {
    if (i != 5) sender.Send(i);
  }
  CHECK(sender.Stats().lost == 1);
  sender.Send(5, milliseconds(2900));
  for (int i = 150; i < 200; ++i) sender.Send(i);
  CHECK(sender.Stats().lost == 0);
  CHECK(sender.Stats().reordered == 1);
  CHECK(sender.Stats().restarts == 0);
}

TEST_CASE("reception: DTX is no jitter, another time base no jitter of days") {
  Reception reception(8000);
  std::uint16_t sequence = 65'000;
  std::uint32_t timestamp = 0xffff0000;
  std::int64_t ms = 0;
  const auto talk = [&](int packets) {
    for (int i = 0; i < packets; ++i, ms += 20, timestamp += 160) {
      reception.Add(sequence++, timestamp, milliseconds(ms), 160);
    }
  };
  talk(100);
  ms += 5000;
  timestamp += 5 * 8000;
  talk(100);
  CHECK(*reception.Stats().jitter_max_ms == 0);
  timestamp += 0x40000000;
  talk(100);
  CHECK(*reception.Stats().jitter_max_ms == 0);
  CHECK(reception.Stats().timestamp_jumps == 1);
  CHECK(reception.Stats().lost == 0);
}

TEST_CASE("reception: drift") {
  for (const double ppm : {-300.0, 50.0, 1000.0}) {
    Reception reception(8000);
    for (int i = 0; i < 5000; ++i) {
      const double at = i * 20e6 * (1 + ppm / 1e6);
      reception.Add(static_cast<std::uint16_t>(i), static_cast<std::uint32_t>(160 * i),
                    Duration(std::llround(at)), 160);
    }
    CHECK(*reception.Stats().drift_ppm == doctest::Approx(ppm).epsilon(0.02));
  }
}

TEST_CASE("reception: nothing is claimed of what is not known") {
  Reception reception(0);
  CHECK(reception.Stats().lost == 0);
  CHECK_FALSE(reception.Confirmed());
  reception.Add(7, 1, {}, 10);
  CHECK(reception.Stats().packets == 1);
  CHECK(reception.Stats().lost == 0);
  CHECK_FALSE(reception.Stats().jitter_ms);
  reception.Add(9, 500, milliseconds(1), 10);
  CHECK_FALSE(reception.Confirmed());
  CHECK(reception.Stats().lost == 1);
}

TEST_CASE("reception: against a model, over random networks") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    perf::Random random(seed);
    const auto first = static_cast<std::uint16_t>(random.Next());
    struct Packet {
      std::int64_t number;
      std::int64_t at_us;
    };
    std::vector<Packet> packets;
    for (std::int64_t i = 0; i < 3000; ++i) {
      if (random.Unit() < 0.05) continue;
      // Up to 90 packets of 20 ms out of order.
      const int copies = random.Unit() < 0.02 ? 2 : 1;
      for (int c = 0; c < copies; ++c) {
        packets.push_back({i, i * 20'000 + (random.Unit() < 0.1 ? random.Int(0, 1'790'000) : 0)});
      }
    }
    std::ranges::stable_sort(packets, {}, &Packet::at_us);
    Reception reception(8000);
    std::set<std::int64_t> seen;
    std::int64_t highest = -1, lowest = 1 << 30;
    std::uint64_t reordered = 0, duplicates = 0;
    double jitter = 0, most = 0;
    const Packet* last = nullptr;
    for (const Packet& packet : packets) {
      reception.Add(static_cast<std::uint16_t>(first + packet.number),
                    static_cast<std::uint32_t>(packet.number * 160 - 5000),
                    std::chrono::microseconds(packet.at_us), 160);
      if (!seen.insert(packet.number).second) {
        ++duplicates;
      } else if (packet.number < highest) {
        ++reordered;
      }
      highest = std::max(highest, packet.number);
      lowest = std::min(lowest, packet.number);
      if (last != nullptr) {
        const double d = static_cast<double>(packet.at_us - last->at_us) * 0.008 -
                         static_cast<double>(packet.number - last->number) * 160;
        jitter += (std::abs(d) - jitter) / 16;
        most = std::max(most, jitter);
      }
      last = &packet;
    }
    const ReceptionStats stats = reception.Stats();
    REQUIRE(stats.reordered == reordered);
    REQUIRE(stats.duplicates == duplicates);
    REQUIRE(stats.lost == static_cast<std::uint64_t>(highest - lowest + 1) - seen.size());
    REQUIRE(stats.restarts == 0);
    REQUIRE(*stats.jitter_max_ms == doctest::Approx(most / 8));
  }
}

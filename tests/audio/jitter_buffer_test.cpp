// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/jitter_buffer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

using namespace perf::audio;
using perf::Duration;
using perf::TimePoint;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

using Samples = std::vector<std::int16_t>;
constexpr std::int64_t kPacket = 160;  // frames: 20 ms at 8 kHz

/// 200 Hz, never zero for long, whose every sample is told by its place in time.
std::int16_t ToneAt(std::int64_t frame) {
  return static_cast<std::int16_t>(
      std::lround(8000 * std::sin(2 * M_PI * 200 * static_cast<double>(frame) / 8000)));
}

/// A packet on its way.
struct Sent {
  Duration arrival{};
  std::int64_t media = 0;  // frames since the beginning
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0, ssrc = 1;
  bool empty = false;
};

/// Packet `number` of an even sender.
Sent Even(std::int64_t number, Duration late = {}, std::uint16_t sequence = 0,
          std::uint32_t timestamp = 0) {
  return {milliseconds(20) * number + late, number * kPacket,
          static_cast<std::uint16_t>(sequence + number),
          static_cast<std::uint32_t>(timestamp + number * kPacket)};
}

/// A jitter buffer between packets and a clock that pulls 20 ms.
struct Line {
  explicit Line(const JitterBufferOptions& options = {})
      : buffer(options), channels(options.channels) {}

  void Run(std::vector<Sent> packets, Duration until) {
    std::ranges::stable_sort(packets, {}, &Sent::arrival);
    std::size_t next = 0;
    for (; now <= until; now += milliseconds(20)) {
      for (; next < packets.size() && packets[next].arrival <= now; ++next) Push(packets[next]);
      Pull();
    }
  }
  void Push(const Sent& sent) {
    Samples samples;
    for (std::int64_t i = 0; i < kPacket && !sent.empty; ++i) {
      samples.insert(samples.end(), channels, ToneAt(sent.media + i));
    }
    buffer.Push({sent.ssrc, sent.timestamp, sent.sequence, samples}, TimePoint() + sent.arrival);
  }
  void Pull() {
    Samples out(static_cast<std::size_t>(kPacket) * channels);
    buffer.Pull(TimePoint() + now, out);
    played.insert(played.end(), out.begin(), out.end());
  }
  JitterBufferStats Stats() const { return buffer.Stats(); }
  /// How many samples from `from` on are not the tone delayed by `delay`.
  std::int64_t Wrong(Duration from, Duration delay) const {
    std::int64_t wrong = 0;
    for (auto i = static_cast<std::int64_t>(from / microseconds(125));
         i < static_cast<std::int64_t>(played.size()); ++i) {
      wrong += played[static_cast<std::size_t>(i)] != ToneAt(i - delay / microseconds(125)) ? 1 : 0;
    }
    return wrong;
  }

  JitterBuffer buffer;
  std::size_t channels;
  Duration now{};
  Samples played;
};

JitterBufferOptions Fixed(Duration depth) {
  JitterBufferOptions options;
  options.min_delay = options.max_delay = options.start_delay = depth;
  return options;
}

std::vector<Sent> EvenRun(std::int64_t from, std::int64_t to, std::uint16_t sequence = 0,
                          std::uint32_t timestamp = 0) {
  std::vector<Sent> packets;
  for (std::int64_t i = from; i < to; ++i) packets.push_back(Even(i, {}, sequence, timestamp));
  return packets;
}

}  // namespace

TEST_CASE("jitter buffer: an even stream comes out as it was, around both wraps") {
  Line line(Fixed(milliseconds(60)));
  line.Run(EvenRun(0, 1000, 65'300, 0xffffff00U - 500 * 160), milliseconds(20 * 1000));
  const JitterBufferStats stats = line.Stats();
  CHECK(stats.packets == 1000);
  CHECK(stats.concealed_samples == 0);
  CHECK(stats.inserted_samples == 0);
  CHECK(stats.removed_samples == 0);
  CHECK(stats.dtx_samples == 0);
  CHECK(stats.duplicates == 0);
  CHECK(stats.packets_discarded == 0);
  CHECK(stats.depth_max == milliseconds(60));
  CHECK(stats.jitter_buffer_delay_us == stats.jitter_buffer_emitted_count * 60'000);
  CHECK(line.Wrong(milliseconds(60), milliseconds(60)) == 0);
}

TEST_CASE("jitter buffer: before the first packet nothing is counted") {
  Line line;
  for (int i = 0; i < 10; ++i) line.Pull();
  CHECK(line.Stats().total_samples == 0);
  CHECK(std::ranges::all_of(line.played, [](std::int16_t sample) { return sample == 0; }));
}

TEST_CASE("jitter buffer: reorder and duplicates within the depth are not heard") {
  Line line(Fixed(milliseconds(100)));
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 500; ++i) {
    packets.push_back(Even(i, i % 7 == 3 ? milliseconds(70) : Duration(), 65'500));
    if (i % 10 == 0) packets.push_back(Even(i, milliseconds(30), 65'500));
  }
  line.Run(packets, milliseconds(10'000));
  CHECK(line.Stats().duplicates == 50);
  CHECK(line.Stats().concealed_samples == 0);
  CHECK(line.Wrong(milliseconds(100), milliseconds(100)) == 0);
}

TEST_CASE("jitter buffer: a lost packet is concealed, and only it") {
  Line line(Fixed(milliseconds(60)));
  std::vector<Sent> packets = EvenRun(0, 200);
  packets.erase(packets.begin() + 100);
  line.Run(packets, milliseconds(3990));
  CHECK(line.Stats().concealed_samples == 160);
  CHECK(line.Stats().concealment_events == 1);
  CHECK(line.Stats().silent_concealed_samples == 0);
  CHECK(line.Stats().interruption_count == 0);
  // What is put in its place is nearly the tone, whose period is that of the concealment.
  const std::int64_t wrong = line.Wrong(milliseconds(60), milliseconds(60));
  CHECK(wrong > 0);
  CHECK(wrong <= 160 + 40);
  std::int64_t loud = 0;
  for (std::size_t i = (100 + 3) * 160; i < (100 + 4) * 160; ++i) loud += std::abs(line.played[i]);
  CHECK(loud / 160 > 3000);  // a whole tone has 5093
}

TEST_CASE("jitter buffer: a long loss fades out, and is an interruption from 150 ms on") {
  for (const int lost : {7, 8}) {
    CAPTURE(lost);
    Line line(Fixed(milliseconds(60)));
    std::vector<Sent> packets = EvenRun(0, 200);
    packets.erase(packets.begin() + 100, packets.begin() + 100 + lost);
    line.Run(packets, milliseconds(3990));
    const JitterBufferStats stats = line.Stats();
    CHECK(stats.concealed_samples == static_cast<std::uint64_t>(lost * 160));
    CHECK(stats.concealment_events == 1);
    CHECK(stats.silent_concealed_samples == static_cast<std::uint64_t>(lost * 160 - 480));
    CHECK(stats.interruption_count == (lost == 8 ? 1U : 0U));
    CHECK(stats.interruption_samples == (lost == 8 ? 1280U : 0U));
    // Loss is no lateness: the depth stays.
    CHECK(stats.depth == milliseconds(60));
    CHECK(line.Wrong(milliseconds(60 + 20 * (100 + lost) + 5), milliseconds(60)) == 0);
  }
}

TEST_CASE("jitter buffer: DTX is silence of the sender, not concealment") {
  for (const bool fixed : {true, false}) {
    CAPTURE(fixed);
    Line line(fixed ? Fixed(milliseconds(60)) : JitterBufferOptions{});
    std::vector<Sent> packets = EvenRun(0, 100, 65'500, 0xffffff00);
    for (std::int64_t i = 250; i < 400; ++i) {
      packets.push_back(Even(i, {}, static_cast<std::uint16_t>(65'500 - 150), 0xffffff00));
    }
    line.Run(packets, milliseconds(7990));
    const JitterBufferStats stats = line.Stats();
    CHECK(stats.concealed_samples == 0);
    CHECK(stats.concealment_events == 0);
    CHECK(stats.dtx_samples >= 150 * 160 - 160);
    CHECK(stats.dtx_samples <= 150 * 160 + 160);
    CHECK(stats.packets_discarded == 0);
    CHECK(stats.resyncs == 0);
  }
}

TEST_CASE("jitter buffer: events between packets are no loss") {
  Line line(Fixed(milliseconds(60)));
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 200; ++i) {
    packets.push_back(Even(i));
    packets.back().empty = i >= 100 && i < 110;
  }
  line.Run(packets, milliseconds(3990));
  CHECK(line.Stats().concealed_samples == 0);
  CHECK(line.Stats().dtx_samples == 10 * 160);
}

TEST_CASE(
    "jitter buffer: a late packet makes an adaptive buffer deeper, which it is not for long") {
  JitterBufferOptions options;
  options.min_delay = milliseconds(40);
  Line line(options);
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 2000; ++i) {
    // From the 200th on one in ten comes 150 ms late; from the 1000th on none.
    packets.push_back(
        Even(i, i >= 200 && i < 1000 && i % 10 == 0 ? milliseconds(150) : Duration()));
  }
  line.Run(packets, milliseconds(20 * 900));
  const JitterBufferStats during = line.Stats();
  CHECK(during.depth >= milliseconds(140));
  CHECK(during.target_delay >= milliseconds(150));
  CHECK(during.target_delay <= milliseconds(200));
  // A few at first, none of the 60 that follow.
  CHECK(during.concealment_events < 10);
  CHECK(during.concealment_events > 0);
  CHECK(during.inserted_samples > 0);
  std::erase_if(packets, [](const Sent& sent) { return sent.arrival <= milliseconds(20 * 900); });
  line.Run(packets, milliseconds(20 * 1990));
  const JitterBufferStats after = line.Stats();
  CHECK(after.concealment_events == during.concealment_events);
  CHECK(after.depth <= milliseconds(80));
  CHECK(after.removed_samples > 0);
}

TEST_CASE("jitter buffer: a drifting clock is followed for an hour without a gap") {
  for (const double ppm : {-200.0, 200.0}) {
    for (const bool fixed : {true, false}) {
      CAPTURE(ppm);
      CAPTURE(fixed);
      Line line(fixed ? Fixed(milliseconds(60)) : JitterBufferOptions{});
      std::vector<Sent> packets;
      constexpr std::int64_t kCount = 180'000;
      for (std::int64_t i = 0; i < kCount; ++i) {
        packets.push_back(Even(i));
        packets.back().arrival =
            Duration(std::llround(static_cast<double>(i) * 20e6 * (1 + ppm / 1e6)));
      }
      const Duration end = packets.back().arrival;
      line.played.reserve(32 << 20);
      line.Run(packets, end);
      const JitterBufferStats stats = line.Stats();
      CHECK(stats.concealed_samples == 0);
      CHECK(stats.packets_discarded == 0);
      CHECK(stats.depth_max <= milliseconds(105));
      CHECK(stats.depth >= milliseconds(20));
      // 720 ms over the hour.
      const std::uint64_t changed = ppm > 0 ? stats.inserted_samples : stats.removed_samples;
      CHECK(changed > 5000);
      CHECK(changed < 7000);
    }
  }
}

TEST_CASE("jitter buffer: bug 8: after a backward jump sound is back within a second") {
  for (const int how : {0, 1, 2, 3}) {
    CAPTURE(how);
    Line line;
    std::vector<Sent> packets = EvenRun(21'000 - 21'000, 295, 21'000);
    for (std::int64_t i = 295; i < 800; ++i) {
      Sent sent = Even(i, {}, static_cast<std::uint16_t>(12'676 - 295));
      if (how == 1) sent.timestamp -= 8618U * 160U;  // the timestamps go back, too
      if (how == 2) sent.timestamp = 0x9000'0000U + static_cast<std::uint32_t>(sent.timestamp);
      if (how == 3) {  // by 40 packets only, which all seem to have come before
        sent.sequence = static_cast<std::uint16_t>(21'000 + i - 40);
        sent.timestamp -= 40U * 160U;
      }
      packets.push_back(sent);
    }
    line.Run(packets, milliseconds(20 * 799));
    const JitterBufferStats stats = line.Stats();
    CHECK(stats.concealed_samples < 8000);
    CHECK(stats.interruption_samples < 8000);
    CHECK(stats.resyncs == (how == 0 ? 0U : 1U));
    // Within a second of the jump, and from then on to the end.
    const std::size_t recovered = 295 * 160 + 8000;
    std::int64_t silent = 0;
    for (std::size_t i = recovered; i < line.played.size(); ++i)
      silent += line.played[i] == 0 ? 1 : 0;
    CHECK(silent <
          static_cast<std::int64_t>(line.played.size() - recovered) / 10);  // 1 in 20 of the tone
    CHECK(stats.depth < milliseconds(450));
  }
}

TEST_CASE("jitter buffer: a forward jump of the timestamps, and a stray one") {
  Line line;
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 600; ++i) {
    Sent sent = Even(i);
    if (i >= 300) sent.timestamp += 100'000'000;
    if (i == 150) sent.timestamp += 50'000'000;
    packets.push_back(sent);
  }
  line.Run(packets, milliseconds(20 * 599));
  CHECK(line.Stats().resyncs == 1);
  CHECK(line.Stats().packets_discarded == 2);
  CHECK(line.Stats().concealed_samples < 8000);
}

TEST_CASE("jitter buffer: a network that doubles every packet") {
  Line line(Fixed(milliseconds(60)));
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 500; ++i) {
    for (const int late : {0, 15, 900}) packets.push_back(Even(i, milliseconds(late)));
  }
  line.Run(packets, milliseconds(20 * 499));
  CHECK(line.Stats().duplicates > 900);
  CHECK(line.Stats().resyncs == 0);
  CHECK(line.Stats().concealed_samples == 0);
}

TEST_CASE("jitter buffer: another source takes over when a second packet confirms it") {
  Line line;
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 600; ++i) {
    Sent sent = Even(i);
    if (i >= 300) sent = Even(i, {}, 40'000, 3'000'000'000U);
    if (i == 150 || i >= 300) sent.ssrc = 2;
    packets.push_back(sent);
  }
  line.Run(packets, milliseconds(20 * 599));
  const JitterBufferStats stats = line.Stats();
  CHECK(stats.ssrc_changes == 1);
  CHECK(stats.flushes == 1);
  CHECK(stats.packets_discarded == 2);
  CHECK(stats.concealed_samples < 3000);
}

TEST_CASE("jitter buffer: two sources at once do not throw each other out") {
  Line line;
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 300; ++i) {
    packets.push_back(Even(i));
    packets.push_back(Even(i, milliseconds(1), 999, 77'777));
    packets.back().ssrc = 2;
  }
  line.Run(packets, milliseconds(20 * 299));
  CHECK(line.Stats().ssrc_changes == 0);
  CHECK(line.Stats().concealed_samples == 0);
  CHECK(line.Stats().packets_discarded == 299);  // the last one comes after the last pull
}

TEST_CASE("jitter buffer: an outage whose packets come all at once leaves no lasting delay") {
  Line line;
  std::vector<Sent> packets;
  for (std::int64_t i = 0; i < 1000; ++i) {
    packets.push_back(Even(i));
    if (i >= 300 && i < 400) packets.back().arrival = milliseconds(20 * 400);  // two seconds
  }
  line.Run(packets, milliseconds(20 * 999));
  const JitterBufferStats stats = line.Stats();
  CHECK(stats.depth_max <= milliseconds(425));
  CHECK(stats.depth <= milliseconds(120));
  CHECK(stats.interruption_count == 1);
  CHECK(stats.concealed_samples < 2 * 8000);
}

TEST_CASE("jitter buffer: a sender that does not keep time is bounded") {
  JitterBufferOptions options;
  options.max_packets = 50;
  Line line(options);
  // A whole file at once, then its end at once again.
  for (int round = 0; round < 3; ++round) {
    for (std::int64_t i = 0; i < 2000; ++i) {
      Sent sent = Even(i + 2000 * round);
      sent.arrival = line.now;
      line.Push(sent);
      CHECK(line.buffer.SamplesAhead() <= 50 * 160);
    }
    for (int i = 0; i < 100; ++i, line.now += milliseconds(20)) line.Pull();
  }
  CHECK(line.Stats().flushes > 0);
  CHECK(line.Stats().depth_max <= seconds(2));
}

TEST_CASE("jitter buffer: stereo, odd packet sizes, odd pulls") {
  JitterBufferOptions options = Fixed(milliseconds(60));
  options.channels = 2;
  JitterBuffer buffer(options);
  perf::Random random(3);
  Samples sent, played;
  std::int64_t media = 0;
  std::uint16_t sequence = 0;
  TimePoint now;
  for (int i = 0; i < 3000; ++i) {
    // A packet of 1 to 320 frames comes when its first frame is due.
    for (; TimePoint() + microseconds(125) * media <= now;) {
      Samples samples;
      const auto frames = static_cast<std::int64_t>(random.Int(1, 320));
      for (std::int64_t f = 0; f < frames; ++f) {
        samples.push_back(static_cast<std::int16_t>(media + f));
        samples.push_back(static_cast<std::int16_t>(-(media + f)));
      }
      buffer.Push({9, static_cast<std::uint32_t>(media), sequence++, samples}, now);
      sent.insert(sent.end(), samples.begin(), samples.end());
      media += frames;
    }
    Samples out(static_cast<std::size_t>(2 * random.Int(1, 80)));
    buffer.Pull(now, out);
    if (buffer.Stats().total_samples > 0) played.insert(played.end(), out.begin(), out.end());
    now += microseconds(125) * static_cast<std::int64_t>(out.size() / 2);
  }
  const JitterBufferStats stats = buffer.Stats();
  CHECK(stats.concealed_samples == 0);
  CHECK(stats.packets_discarded == 0);
  if (stats.inserted_samples + stats.removed_samples == 0) {
    REQUIRE(played.size() <= sent.size());
    CHECK(std::equal(played.begin(), played.end(), sent.begin()));
  }
  CHECK(stats.inserted_samples == 0);
  CHECK(stats.removed_samples == 0);
}

TEST_CASE("jitter buffer: nonsense is refused") {
  const auto refused = [](auto change) {
    JitterBufferOptions options;
    change(options);
    CHECK_THROWS_AS(JitterBuffer{options}, perf::ConfigError);
  };
  refused([](JitterBufferOptions& o) { o.rate = 0; });
  refused([](JitterBufferOptions& o) { o.channels = 0; });
  refused([](JitterBufferOptions& o) { o.channels = 33; });
  refused([](JitterBufferOptions& o) { o.max_packets = 1; });
  refused([](JitterBufferOptions& o) { o.min_delay = milliseconds(-1); });
  refused([](JitterBufferOptions& o) { o.start_delay = milliseconds(10); });
  refused([](JitterBufferOptions& o) { o.max_delay = seconds(61); });
  refused([](JitterBufferOptions& o) { o.max_delay = milliseconds(30); });
}

TEST_CASE("jitter buffer: what goes in comes out once or is counted, over random networks") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    perf::Random random(seed);
    JitterBufferOptions options;
    options.max_packets = static_cast<std::size_t>(random.Int(2, 60));
    options.max_delay = milliseconds(random.Int(60, 500));
    JitterBuffer buffer(options);
    struct Packet {
      Duration arrival;
      std::uint16_t sequence;
      std::uint32_t timestamp, ssrc;
    };
    std::vector<Packet> packets;
    auto sequence = static_cast<std::uint16_t>(random.Next());
    auto timestamp = static_cast<std::uint32_t>(random.Next());
    std::uint32_t ssrc = 1;
    for (std::int64_t i = 0; i < 2000; ++i, ++sequence, timestamp += 160) {
      if (random.Unit() < 0.002) timestamp += static_cast<std::uint32_t>(random.Next());
      if (random.Unit() < 0.002) sequence = static_cast<std::uint16_t>(random.Next());
      if (random.Unit() < 0.002) ssrc = static_cast<std::uint32_t>(random.Int(1, 2));
      if (random.Unit() < 0.03) continue;
      const Duration late = random.Unit() < 0.2 ? milliseconds(random.Int(0, 300)) : Duration();
      packets.push_back({milliseconds(20) * i + late, sequence, timestamp, ssrc});
      if (random.Unit() < 0.02) packets.push_back(packets.back());
    }
    std::ranges::stable_sort(packets, {}, &Packet::arrival);
    Samples samples(160);
    for (std::size_t i = 0; i < samples.size(); ++i)
      samples[i] = ToneAt(static_cast<std::int64_t>(i));
    std::size_t next = 0;
    std::uint64_t pulled = 0;
    for (TimePoint now; now < TimePoint() + seconds(41); now += milliseconds(20)) {
      for (; next < packets.size() && TimePoint() + packets[next].arrival <= now; ++next) {
        const Packet& packet = packets[next];
        buffer.Push({packet.ssrc, packet.timestamp, packet.sequence, samples},
                    TimePoint() + packet.arrival);
      }
      const std::uint64_t before = buffer.Stats().total_samples;
      Samples out(160);
      buffer.Pull(now, out);
      pulled += buffer.Stats().total_samples - before;
    }
    const JitterBufferStats stats = buffer.Stats();
    REQUIRE(stats.packets == packets.size());
    REQUIRE(stats.total_samples == pulled);
    // All that was put out is accounted for, to the sample.
    REQUIRE(stats.total_samples == stats.jitter_buffer_emitted_count + stats.concealed_samples +
                                       stats.dtx_samples - stats.removed_samples +
                                       stats.inserted_samples);
    REQUIRE(stats.silent_concealed_samples <= stats.concealed_samples);
    REQUIRE(stats.interruption_samples <= stats.concealed_samples);
    REQUIRE(stats.depth_max <= options.max_delay + seconds(2));
  }
}

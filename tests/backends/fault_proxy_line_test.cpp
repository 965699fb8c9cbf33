// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy_line.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

struct Arrival {
  std::string bytes;
  TimePoint at;
};

/// A line and a clock that the test moves.
struct Bench {
  explicit Bench(StreamFault fault, std::uint64_t seed = 1) : line(Random(seed)) {
    line.Set(fault, now);
  }
  void Push(std::string_view bytes) { line.Push(bytes, now); }
  /// Takes out all that will ever come, at the instants that the line itself names.
  std::vector<Arrival> TakeAll() {
    std::vector<Arrival> taken;
    for (;;) {
      const FaultLine::Next next = line.Look(now);
      if (next.ended) {
        ended = true;
        how = next.how;
        return taken;
      }
      if (!next.bytes.empty()) {
        taken.push_back({std::string(next.bytes), now});
        line.Consume(next.bytes.size(), now);
        continue;
      }
      if (next.at == TimePoint::max()) return taken;
      REQUIRE(next.at > now);
      now = next.at;
    }
  }
  std::string Text() {
    std::string text;
    for (const Arrival& arrival : TakeAll()) text += arrival.bytes;
    return text;
  }

  TimePoint now = TimePoint() + 1h;
  FaultLine line;
  bool ended = false;
  Harm how = Harm::kNone;
};

std::string Counted(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

StreamFault Late(Duration latency, Duration jitter = {}) {
  StreamFault fault;
  fault.latency = latency;
  fault.jitter = jitter;
  return fault;
}

StreamFault Harmed(Harm harm, std::uint64_t after = 0) {
  StreamFault fault;
  fault.harm = harm;
  fault.after = after;
  return fault;
}

}  // namespace

TEST_CASE("fault line: without a fault all comes out at once, as it went in") {
  Bench bench({});
  CHECK(bench.line.Straight());
  bench.Push("one");
  bench.Push("two");
  CHECK_FALSE(bench.line.Straight());
  const auto taken = bench.TakeAll();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].bytes == "one");
  CHECK(taken[1].at == TimePoint() + 1h);
  CHECK(bench.line.Straight());
  CHECK(bench.line.Held() == 0);
}

TEST_CASE("fault line: latency holds each piece back for exactly so long") {
  Bench bench(Late(50ms));
  const TimePoint start = bench.now;
  bench.Push("a");
  bench.now += 10ms;
  bench.Push("b");
  bench.line.PushEnd(Harm::kNone, bench.now);
  const auto taken = bench.TakeAll();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].at == start + 50ms);
  CHECK(taken[1].at == start + 60ms);
  CHECK(bench.ended);
  CHECK(bench.how == Harm::kNone);
}

TEST_CASE("fault line: jitter never changes the order, and never undercuts the latency") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Bench bench(Late(5ms, 40ms), seed);
    const std::string text = Counted(1000);
    const TimePoint start = bench.now;
    for (std::size_t i = 0; i < text.size(); i += 10) bench.Push(text.substr(i, 10));
    const auto taken = bench.TakeAll();
    std::string got;
    TimePoint last = start + 5ms;
    for (const Arrival& arrival : taken) {
      got += arrival.bytes;
      REQUIRE(arrival.at >= last);
      REQUIRE(arrival.at <= start + 45ms);
      last = arrival.at;
    }
    REQUIRE(got == text);
    // A hundred draws within 40 ms: the highest of them is near the top.
    CHECK(last > start + 25ms);
  }
}

TEST_CASE("fault line: what is on its way keeps its time when the fault goes") {
  Bench bench(Late(100ms));
  const TimePoint start = bench.now;
  bench.Push("slow");
  bench.line.Set({}, bench.now);
  bench.Push("fast");
  const auto taken = bench.TakeAll();
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].bytes == "slow");
  CHECK(taken[0].at == start + 100ms);
  CHECK(taken[1].at == start + 100ms);
}

TEST_CASE("fault line: bandwidth is not exceeded, whatever the pieces") {
  for (const std::uint64_t bandwidth : {1ULL, 999ULL, 64'000ULL, 10'000'000ULL}) {
    for (const std::size_t size : {1UL, 7UL, 5'000UL}) {
      CAPTURE(bandwidth);
      CAPTURE(size);
      StreamFault fault;
      fault.bandwidth = bandwidth;
      Bench bench(fault);
      const TimePoint start = bench.now;
      const std::string text = Counted(size);
      bench.Push(text);
      std::string got;
      std::uint64_t before = 0;  // a piece goes out at once, and the next one when it is paid for
      for (const Arrival& arrival : bench.TakeAll()) {
        const double earliest = static_cast<double>(before) / static_cast<double>(bandwidth);
        REQUIRE(ToMs(arrival.at - start) / 1000 >= earliest * 0.999 - 1e-6);
        before += arrival.bytes.size();
        got += arrival.bytes;
      }
      CHECK(got == text);
    }
  }
}

TEST_CASE("fault line: slow means one byte at a time") {
  StreamFault fault;
  fault.per_byte = 3ms;
  fault.bandwidth = 1'000'000;
  Bench bench(fault);
  const TimePoint start = bench.now;
  bench.Push("hello");
  const auto taken = bench.TakeAll();
  REQUIRE(taken.size() == 5);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    CHECK(taken[i].bytes.size() == 1);
    CHECK(taken[i].at == start + 3ms * static_cast<int>(i));
  }
}

TEST_CASE("fault line: garbage replaces bytes after so many, the same for the same seed") {
  const std::string text = Counted(300);
  for (const std::size_t piece : {1UL, 7UL, 300UL}) {
    CAPTURE(piece);
    Bench bench(Harmed(Harm::kGarbage, 100));
    for (std::size_t i = 0; i < text.size(); i += piece) bench.Push(text.substr(i, piece));
    const std::string got = bench.Text();
    REQUIRE(got.size() == text.size());
    CHECK(got.substr(0, 100) == text.substr(0, 100));
    CHECK(got.substr(100) != text.substr(100));
    Bench again(Harmed(Harm::kGarbage, 100));
    again.Push(text);
    CHECK(again.Text() == got);
    Bench other(Harmed(Harm::kGarbage, 100), 2);
    other.Push(text);
    CHECK(other.Text() != got);
  }
}

TEST_CASE("fault line: a black hole lets pass what it may, and says what it took") {
  Bench bench(Harmed(Harm::kBlackhole, 4));
  bench.Push("abcd");
  CHECK_FALSE(bench.line.Lost());
  bench.Push("efgh");
  CHECK(bench.line.Lost());
  CHECK(bench.line.Blackholed());
  CHECK(bench.Text() == "abcd");
}

TEST_CASE("fault line: a black hole takes what is on its way") {
  Bench bench(Late(1s));
  bench.Push("lost");
  CHECK(bench.line.Held() > 4);
  bench.line.Set(Harmed(Harm::kBlackhole), bench.now);
  CHECK(bench.line.Lost());
  CHECK(bench.line.Held() == 0);
  CHECK(bench.Text().empty());
}

TEST_CASE("fault line: an end comes right after the last byte that may pass") {
  for (const Harm harm : {Harm::kReset, Harm::kClose, Harm::kHalfClose}) {
    for (const std::size_t after : {1UL, 5UL, 8UL, 11UL}) {
      CAPTURE(after);
      Bench bench(Harmed(harm, after));
      bench.Push("abcd");
      bench.Push("efgh");
      bench.Push("ijklm");
      bench.line.PushEnd(Harm::kNone, bench.now);
      CHECK(bench.Text() == std::string("abcdefghijklm").substr(0, after));
      CHECK(bench.ended);
      CHECK(bench.how == harm);
    }
  }
}

TEST_CASE("fault line: bytes are counted from when the fault begins") {
  Bench bench({});
  bench.Push("before");
  bench.line.Set(Harmed(Harm::kReset, 3), bench.now);
  bench.Push("after");
  CHECK(bench.Text() == "beforeaft");
  CHECK(bench.how == Harm::kReset);
}

TEST_CASE("fault line: injected bytes stand between those that were sent") {
  Bench bench({});
  bench.Push("one");
  bench.line.Inject(4, bench.now);
  bench.Push("two");
  const std::string got = bench.Text();
  REQUIRE(got.size() == 10);
  CHECK(got.starts_with("one"));
  CHECK(got.ends_with("two"));
}

}  // namespace perf::backends

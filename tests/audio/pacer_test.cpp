// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/pacer.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "libperf/base/cpu_time.hpp"
#include "libperf/base/error.hpp"

namespace perf::audio {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{1000s};

/// Keeps the deadlines at which it was called.
struct Listener final : Paced {
  void OnDue(TimePoint due) noexcept override { dues.push_back(due); }
  std::vector<TimePoint> dues;
};

struct Counter final : Paced {
  void OnDue(TimePoint) noexcept override { beats.fetch_add(1, std::memory_order_relaxed); }
  std::atomic<std::uint64_t> beats{0};
};

template <typename Stream>
struct Many {
  explicit Many(std::size_t count) : streams(count) {
    for (Stream& stream : streams) pointers.push_back(&stream);
  }
  std::vector<Stream> streams;
  std::vector<Paced*> pointers;
};

template <typename Condition>
bool Await(Condition condition) {
  const TimePoint end = Clock::now() + 20s;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(200us);
  }
  return true;
}

}  // namespace

TEST_CASE("wheel: each stream is due once in its period, at an exact deadline") {
  PaceWheel wheel(kStart);
  PaceTally tally;
  Many<Listener> twenty(70), thirty(3), one(1);
  wheel.Add(twenty.pointers, 20ms);
  wheel.Add(thirty.pointers, 30ms);
  wheel.Add(one.pointers, 1ms);
  CHECK(wheel.Size() == 74);
  RunVirtually(wheel, tally, kStart + 600ms);
  for (const auto& [many, period] : {std::pair(&twenty, 20ms), std::pair(&thirty, 30ms)}) {
    for (const Listener& stream : many->streams) {
      REQUIRE(stream.dues.size() == static_cast<std::size_t>(600ms / period));
      for (std::size_t i = 1; i < stream.dues.size(); ++i) {
        REQUIRE(stream.dues[i] - stream.dues[i - 1] == period);
      }
    }
  }
  CHECK(one.streams[0].dues.size() == 600);
  CHECK(tally.LateUs().Count() == 70 * 30 + 3 * 20 + 600);
  CHECK(tally.LateUs().Max() == 0);
  // Seventy over twenty buckets: three or four in each.
  std::vector<int> phases(20);
  for (const Listener& stream : twenty.streams) ++phases[(stream.dues[0] - kStart) / 1ms];
  CHECK(*std::min_element(phases.begin(), phases.end()) == 3);
  CHECK(*std::max_element(phases.begin(), phases.end()) == 4);
}

TEST_CASE("wheel: periods that are no multiple of a tick, too long, or too many, are refused") {
  PaceWheel wheel(kStart);
  Listener stream;
  Paced* const pointer = &stream;
  for (const Duration period : {Duration(0), Duration(-20ms), Duration(2500us), Duration(61s)}) {
    CHECK_THROWS_AS(wheel.Add({&pointer, 1}, period), ConfigError);
  }
  for (int ms = 1; ms <= 8; ++ms) wheel.Add({}, ms * 1ms);
  CHECK_THROWS_AS(wheel.Add({&pointer, 1}, 9ms), ConfigError);
  CHECK_THROWS_AS(PaceWheel(kStart, 0ms), ConfigError);
  PaceWheel fine(kStart, 500us);
  PaceTally tally;
  fine.Add({&pointer, 1}, 2500us);
  RunVirtually(fine, tally, kStart + 1s);
  CHECK(stream.dues.size() == 400);
}

TEST_CASE("wheel: who wakes late catches up against the deadlines as they were planned") {
  PaceWheel wheel(kStart);
  PaceTally tally;
  Many<Listener> many(20);
  wheel.Add(many.pointers, 20ms);
  RunVirtually(wheel, tally, kStart + 100ms);
  tally.Forget();
  // Stopped for 200 ms, at 100 ms; from then on each batch takes no time.
  const TimePoint woke = kStart + 300ms;
  while (wheel.NextDue() <= woke) wheel.RunTick([&] { return woke; }, tally);
  for (const Listener& stream : many.streams) CHECK(stream.dues.size() >= 15);
  CHECK(tally.LateUs().Count() == 201);
  CHECK(tally.LateUs().Max() == 200'000);
  CHECK(tally.LateUs().Min() == 0);
  // Those due in the first 180 ms of the stop, nine of each stream (20 ms is not above the period).
  CHECK(tally.OverPeriod() == 180);
}

TEST_CASE(
    "wheel: lateness counts until the stream was handled, and a clock that steps back is on time") {
  PaceWheel wheel(kStart);
  PaceTally tally;
  Many<Listener> many(40 * 20);
  wheel.Add(many.pointers, 20ms);
  // Each look at the clock, after 16, 16 and 8 streams, finds it a millisecond later.
  TimePoint now = kStart;
  wheel.RunTick([&] { return now += 1ms; }, tally);
  CHECK(tally.LateUs().Count() == 40);
  CHECK(tally.LateUs().CountAtOrBelow(1000) == 16);
  CHECK(tally.LateUs().CountAtOrBelow(2000) == 32);
  CHECK(tally.LateUs().Max() == 3000);
  wheel.RunTick([&] { return kStart - 5s; }, tally);
  CHECK(tally.LateUs().Count() == 80);
  CHECK(tally.LateUs().Max() == 3000);
  CHECK(tally.OverPeriod() == 0);
}

TEST_CASE("wheel: streams leave and come between ticks") {
  PaceWheel wheel(kStart);
  PaceTally tally;
  Many<Listener> many(100);
  wheel.Add(many.pointers, 20ms);
  RunVirtually(wheel, tally, kStart + 20ms);
  const std::span<Paced* const> all(many.pointers);
  CHECK(wheel.Remove(all.subspan(10, 80)) == wheel.Passes() + 1);
  wheel.Remove(all.subspan(0, 20));  // ten of them are gone
  CHECK(wheel.Size() == 10);
  RunVirtually(wheel, tally, kStart + 40ms);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(many.streams[i].dues.size() == (i < 90 ? 1 : 2));
  }
  wheel.Add(all.subspan(0, 1), 10ms);
  wheel.Remove(all.subspan(90));
  RunVirtually(wheel, tally, kStart + 80ms);
  CHECK(many.streams[0].dues.size() == 5);
  CHECK(many.streams[95].dues.size() == 2);
  wheel.Remove(all.subspan(0, 1));
  // Nobody is due: an hour passes in no time, and the grid of ticks stays.
  wheel.SkipTo(kStart + 1h + 300us);
  CHECK(wheel.NextDue() == kStart + 1h + 1ms);
  wheel.SkipTo(kStart);
  CHECK(wheel.NextDue() == kStart + 1h + 1ms);
}

TEST_CASE("starvation: what was not ours, the greater of the two ways to see it") {
  StarvationMeter meter;
  meter.Forget(1s);
  CHECK(meter.Add({500us, 450us, 1s, 0us}) == 50us);
  CHECK(meter.Add({500us, 450us, 1s + 2ms, 0us}) == 2ms);      // before the wake
  CHECK(meter.Add({500us, 500us, 1s + 3ms, 400us}) == 600us);  // part of it was for our own
  CHECK(meter.Add({3ms, 1ms, 1s + 3ms, 2500us}) == 0us);       // all of it was
  CHECK(meter.Add({200ms, 1ms, 1s + 3ms, 0us}) == 199ms);      // stopped while it worked
  CHECK(meter.Total() == 199ms + 2650us);
  CHECK(meter.Longest() == 199ms);
  meter.Forget(5s);
  CHECK(meter.Add({0us, 0us, 5s, 0us}) == 0us);
}

TEST_CASE("core threads: what others of ours used on the same core") {
  const int core = UsableCores().front();
  CoreThreads threads;
  CoreThreads::Seat mine(threads, core);
  REQUIRE(mine.Pinned());
  std::atomic<bool> end{false};
  Duration its{};
  std::thread other([&] {
    const CoreThreads::Seat seat(threads, core);
    while (!end.load()) {
    }
    its = ThreadCpu();
  });
  REQUIRE(Await([&] { return mine.OthersCpu() > 0ns; }));
  Duration seen{};
  REQUIRE(Await([&] { return (seen += mine.OthersCpu()) > 5ms; }));
  end = true;
  other.join();
  CHECK(seen <= its);
  CHECK(mine.OthersCpu() == 0ns);
  const CoreThreads::Seat nowhere(threads, 100'000);
  CHECK(!nowhere.Pinned());
}

TEST_CASE("pacer: calls its streams, and none after it was removed") {
  CoreThreads threads;
  Pacer pacer({}, threads);
  Many<Counter> many(500);
  const std::span<Paced* const> all(many.pointers);
  pacer.Add(all, 20ms);
  REQUIRE(Await([&] {
    return std::all_of(many.streams.begin(), many.streams.end(),
                       [](const Counter& stream) { return stream.beats.load() >= 3; });
  }));
  pacer.Remove(all.subspan(0, 250));
  std::vector<std::uint64_t> seen;
  for (const Counter& stream : many.streams) seen.push_back(stream.beats.load());
  REQUIRE(Await([&] { return many.streams[499].beats.load() >= seen[499] + 3; }));
  for (std::size_t i = 0; i < 250; ++i) CHECK(many.streams[i].beats.load() == seen[i]);
  pacer.Forget();
  pacer.Remove(all.subspan(250));
  CHECK(pacer.Size() == 0);
  const std::uint64_t before = many.streams[0].beats.load();
  pacer.Add(all.subspan(0, 1), 5ms);  // it was asleep
  REQUIRE(Await([&] { return many.streams[0].beats.load() > before + 2; }));
  pacer.Stop();
  pacer.Stop();
  const std::uint64_t last = many.streams[0].beats.load();
  CHECK(pacer.Report().tally.LateUs().Count() >= last - before);
  // What is asked of one that has ended comes back at once.
  pacer.Forget();
  pacer.Remove(all);
  CHECK(many.streams[0].beats.load() == last);
}

TEST_CASE("pacer: streams come and go from many threads while it runs") {
  CoreThreads threads;
  Pacer pacer({}, threads);
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> workers;
  for (unsigned number = 0; number < 3; ++number) {
    workers.emplace_back([&, number] {
      std::mt19937 draw(number);
      for (int round = 0; round < 60; ++round) {
        auto many = std::make_unique<Many<Counter>>(1 + draw() % 50);
        pacer.Add(many->pointers, (1 + draw() % 4) * 1ms);
        if (draw() % 2 == 0 && !Await([&] { return many->streams[0].beats.load() > 0; })) ++wrong;
        pacer.Remove(many->pointers);  // freed at once: a late call would be a use after free
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(wrong.load() == 0);
  CHECK(pacer.Size() == 0);
}

TEST_CASE("pacer: one whose thread was held up counts it as starved, its lateness as it was") {
  CoreThreads threads;
  struct Sleeper final : Paced {
    void OnDue(TimePoint) noexcept override {
      if (beats.fetch_add(1) == 3) std::this_thread::sleep_for(120ms);
    }
    std::atomic<int> beats{0};
  } sleeper;
  Pacer pacer({}, threads);
  Paced* const pointer = &sleeper;
  pacer.Add({&pointer, 1}, 20ms);
  REQUIRE(Await([&] { return sleeper.beats.load() >= 15; }));
  pacer.Stop();
  const PacerReport& report = pacer.Report();
  CHECK(report.longest_starved >= 110ms);
  CHECK(report.tally.OverPeriod() >= 5);
  CHECK(report.tally.LateUs().Max() >= 119'000);
  CHECK(report.core == -1);
}

TEST_CASE("pacer: works without a file descriptor to spare") {
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
  // No number is free below it; those that are open stay open.
  const int next = ::dup(0);
  REQUIRE(next >= 0);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  Counter counter;
  Paced* const pointer = &counter;
  bool beat = false, known = true;
  {
    CoreThreads threads;
    Pacer pacer({UsableCores().front(), 1ms, "poor"}, threads);
    pacer.Add({&pointer, 1}, 1ms);
    beat = Await([&] { return counter.beats.load() > 5; });
    pacer.Stop();
    known = pacer.Report().run_delay_known;
    CHECK(pacer.Report().core == UsableCores().front());
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(beat);
  CHECK(!known);
  CHECK(::dup2(0, 0) == 0);  // bug 9: a path out of file descriptors closed that of number 0
}

}  // namespace perf::audio

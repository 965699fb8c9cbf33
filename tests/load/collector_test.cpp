// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/collector.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "libperf/load/parse.hpp"
#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<Interval> Second(Collector& collector, std::int64_t second, std::uint64_t count) {
  std::unique_ptr<Interval> interval = collector.Fresh();
  CHECK(interval->loads[0].iterations == 0);
  interval->second = second;
  interval->loads[0].iterations = count;
  return interval;
}

Deadline Soon() { return Deadline(Clock::now() + 20s); }
Deadline Now() { return Deadline(Clock::now()); }

}  // namespace

TEST_CASE("collector: a second is whole when every loop has delivered it") {
  const Scenario scenario = test::OpenAndClosed();
  Collector collector(scenario, 2);
  collector.Deliver(Second(collector, 0, 1), 0);
  collector.Deliver(Second(collector, 1, 10), 0);
  CHECK(collector.Take(Now()) == nullptr);
  collector.Deliver(Second(collector, 0, 2), 1);
  auto taken = collector.Take(Soon());
  REQUIRE(taken);
  CHECK(taken->second == 0);
  CHECK(taken->loads[0].iterations == 3);
  collector.GiveBack(std::move(taken));
  CHECK(collector.Take(Now()) == nullptr);
  CHECK(!collector.Exhausted());
}

TEST_CASE("collector: a loop that ends first does not make the other's seconds whole") {
  const Scenario scenario = test::OpenAndClosed();
  Collector collector(scenario, 2);
  collector.Deliver(Second(collector, 0, 1), 0);
  collector.Deliver(Second(collector, 1, 1), 0);
  collector.LoopFinished(0);
  // Loop 1 has not come to second 0 yet: it would be given twice.
  CHECK(collector.Take(Now()) == nullptr);
  collector.Deliver(Second(collector, 0, 2), 1);
  auto taken = collector.Take(Soon());
  REQUIRE(taken);
  CHECK(taken->loads[0].iterations == 3);
  CHECK(collector.Take(Now()) == nullptr);
  collector.LoopFinished(1);  // without a second 1 of its own
  collector.LoopFinished(1);
  taken = collector.Take(Soon());
  REQUIRE(taken);
  CHECK(taken->second == 1);
  CHECK(taken->loads[0].iterations == 1);
  CHECK(collector.Exhausted());
  CHECK(collector.Take(Soon()) == nullptr);  // at once
}

TEST_CASE("collector: what comes too late counts in the second in which it comes") {
  const Scenario scenario = test::OpenAndClosed();
  Collector collector(scenario, 2);
  for (int second = 0; second < 4; ++second) {
    collector.Deliver(Second(collector, second, 1), 0);
  }
  auto taken = collector.Take(Now());  // loop 1 is three seconds behind: nobody waits for it
  REQUIRE(taken);
  CHECK(taken->second == 0);
  collector.Deliver(Second(collector, 0, 5), 1);
  collector.Deliver(Second(collector, 1, 7), 1);
  taken = collector.Take(Soon());
  REQUIRE(taken);
  CHECK(taken->second == 1);
  CHECK(taken->loads[0].iterations == 13);
}

TEST_CASE("collector: threads deliver, one takes; every second comes once, in order, complete") {
  const Scenario scenario = test::OpenAndClosed();
  constexpr std::size_t kLoops = 4;
  constexpr std::int64_t kSeconds = 300;
  Collector collector(scenario, kLoops);
  std::uint64_t total = 0;
  std::int64_t last = -1;
  {
    std::vector<std::jthread> loops;
    for (std::size_t loop = 0; loop < kLoops; ++loop) {
      loops.emplace_back([&collector, loop] {
        const auto own = kSeconds - static_cast<std::int64_t>(loop);
        for (std::int64_t second = 0; second < own; ++second) {
          std::unique_ptr<Interval> interval = collector.Fresh();
          interval->second = second;
          interval->loads[0].iterations = 1;
          interval->loads[0].duration.Record(second);
          collector.Deliver(std::move(interval), loop);
        }
        collector.LoopFinished(loop);
      });
    }
    while (!collector.Exhausted()) {
      auto taken = collector.Take(Soon());
      if (!taken) continue;
      CHECK(taken->second > last);
      last = taken->second;
      total += taken->loads[0].iterations;
      CHECK(taken->loads[0].duration.Count() == taken->loads[0].iterations);
      collector.GiveBack(std::move(taken));
    }
  }
  CHECK(total == kLoops * kSeconds - 6);
}

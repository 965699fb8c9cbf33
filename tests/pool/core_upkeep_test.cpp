// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/pool/fakes.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

TEST_CASE("pool core: what is idle for too long goes, oldest first, down to min") {
  Core core(Limits{.min = 2, .max = 5, .idle_timeout = 10s}, 1);
  auto held = Fill(core, 5);
  for (int i = 0; i < 4; ++i) core.Return(*held[static_cast<std::size_t>(i)], kStart + i * 1s);
  core.Reap(kStart + 9s);
  CHECK(core.Now().idle == 4);
  core.Reap(kStart + 11s);  // 0 and 1 are old enough
  CHECK(core.Now().idle == 2);
  CHECK(core.Totals().expired == 2);
  core.Reap(kStart + 1h);  // one in use, so one more may go
  CHECK(core.Now().Total() == 2);
  core.Reap(kStart + 2h);
  CHECK(core.Now().Total() == 2);
  core.CloseIdle();
  CHECK(core.Now().idle == 0);
  CHECK(core.TryTake(kStart) == nullptr);
}

TEST_CASE("pool core: deaths are spread over the jitter's window, at any number dialled at once") {
  const std::pair<std::size_t, std::size_t> cases[] = {
      {8, 2}, {20, 3}, {48, 7}, {64, 8}, {100, 13}};
  for (const auto& [count, limit] : cases) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(limit);
      CAPTURE(seed);
      Lifetimes lifetimes(seed);
      std::vector<TimePoint> deaths;
      while (deaths.size() < count) deaths.push_back(lifetimes.Next(1000s, 0.1, kStart, deaths));
      std::sort(deaths.begin(), deaths.end());
      CHECK(deaths.front() >= kStart + 900s);
      CHECK(deaths.back() <= kStart + 1000s);
      // A hundredth of the lifetime holds a tenth of them, and hardly more: what is left to 15 % is
      // for those that go a little late.
      std::size_t most = 0;
      for (std::size_t first = 0; first < deaths.size(); ++first) {
        const auto last = std::upper_bound(deaths.begin(), deaths.end(), deaths[first] + 10s);
        most = std::max(most, static_cast<std::size_t>(last - deaths.begin()) - first);
      }
      CHECK(most <= limit);
    }
  }
  Lifetimes one(1);
  Lifetimes other(2);
  std::vector<TimePoint> none;
  CHECK(one.Next(1000s, 0.1, kStart, none) != other.Next(1000s, 0.1, kStart, none));
  CHECK(one.Next(1000s, 0, kStart, none) == kStart + 1000s);
}

TEST_CASE("pool core: those who end on their own are looked after when it is their time") {
  Core core(Limits{.max = 2, .max_lifetime = 100s, .lifetime_jitter = 0}, 1);
  CHECK(core.NextUpkeep(kStart) == kStart + 200ms);  // a five hundredth
  core.Adopt(Make(), kStart);
  CHECK(core.NextUpkeep(kStart) == kStart + 200ms);
  CHECK(core.NextUpkeep(kStart + 99950ms) == kStart + 100s);
  CHECK(core.NextUpkeep(kStart + 100s) == kStart + 100001ms);  // late: soon, but not at once
  REQUIRE(core.TryTake(kStart + 99s) != nullptr);
  CHECK(core.NextUpkeep(kStart + 99950ms) == kStart + 100150ms);  // its return will end it
}

TEST_CASE("pool core: past its lifetime a resource goes: idle, at its return, or when borrowed") {
  Core core(Limits{.min = 3, .max = 3, .max_lifetime = 100s, .lifetime_jitter = 0}, 1);
  int living = 0;
  for (int i = 0; i < 3; ++i) core.Adopt(Make(i, &living), kStart);
  Slot* borrowed = core.TryTake(kStart + 99s);
  REQUIRE(borrowed != nullptr);
  core.Return(*borrowed, kStart + 99s);
  SUBCASE("idle, even below min: it is replaced") {
    core.Reap(kStart + 100s);
    CHECK(living == 0);
    CHECK(core.Totals().aged == 3);
    CHECK(Dials(core, kStart + 100s).size() == 3);
  }
  SUBCASE("borrowed just before") {
    borrowed = core.TryTake(kStart + 99s);
    core.Return(*borrowed, kStart + 101s);
    CHECK(living == 2);
    CHECK(core.TryTake(kStart + 101s) == nullptr);
    CHECK(living == 0);
    CHECK(core.Totals().aged == 3);
  }
}

TEST_CASE("pool core: an idle one is pinged in time, and is as old after it") {
  Core core(Limits{.max = 2, .idle_timeout = 100s, .keepalive = 30s}, 1);
  auto held = Fill(core, 2);
  core.Return(*held[0], kStart);
  core.Return(*held[1], kStart + 10s);
  CHECK(core.TakeForPing(kStart + 29s) == nullptr);
  Slot* due = core.TakeForPing(kStart + 30s);
  REQUIRE(due == held[0]);
  CHECK(core.Now().busy == 1);
  CHECK(core.TakeForPing(kStart + 30s) == nullptr);
  core.Return(*due, kStart + 30s);
  CHECK(core.TakeForPing(kStart + 35s) == nullptr);
  CHECK(core.TryTake(kStart + 35s) == held[1]);  // still the newest
  core.Return(*held[1], kStart + 35s);
  due = core.TakeForPing(kStart + 60s);
  REQUIRE(due == held[0]);
  due->MarkBroken();  // it did not answer
  core.Return(*due, kStart + 60s);
  CHECK(core.Now().Total() == 1);
  core.Reap(kStart + 134s);
  CHECK(core.Now().Total() == 1);
  core.Reap(kStart + 135s);
  CHECK(core.Now().Total() == 0);
}

TEST_CASE("pool core: who waits gets what comes back from a ping or a reset") {
  Core core(Limits{.max = 1, .keepalive = 1s}, 1);
  auto held = Fill(core, 1);
  Borrower waiter;
  SUBCASE("a ping") {
    core.Return(*held[0], kStart);
    Slot* due = core.TakeForPing(kStart + 1s);
    REQUIRE(due != nullptr);
    CHECK(core.TryTake(kStart + 1s) == nullptr);
    core.Enqueue(waiter, kStart + 1s);
    core.Return(*due, kStart + 1s);
  }
  SUBCASE("a reset") {
    core.MarkBusy(*held[0]);
    CHECK(core.Now().busy == 1);
    core.Enqueue(waiter, kStart);
    CHECK(core.StartDial(kStart) == nullptr);
    core.Return(*held[0], kStart);
  }
  REQUIRE(waiter.slot != nullptr);
  CHECK(core.Now().in_use == 1);
}

TEST_CASE("pool core: after an invalidation every connection of before goes") {
  int living = 0;
  Core core(Limits{.max = 4}, 1);
  for (int i = 0; i < 3; ++i) core.Adopt(Make(i, &living), kStart);
  Slot* borrowed = core.TryTake(kStart);
  REQUIRE(borrowed != nullptr);
  Borrower waiter;
  Slot* other = core.TryTake(kStart);
  Slot* third = core.TryTake(kStart);
  core.Return(*third, kStart);
  REQUIRE(other != nullptr);
  core.Invalidate(kStart);
  CHECK(living == 2);  // the idle one went at once
  core.Enqueue(waiter, kStart);
  CHECK(core.StartDial(kStart) == nullptr);
  Slot* dial = core.StartDial(kStart + 20ms);
  REQUIRE(dial != nullptr);
  core.Return(*borrowed, kStart + 20ms);
  CHECK(living == 1);
  CHECK(waiter.slot == nullptr);
  SUBCASE("a dial of before is of no use either") {
    core.Invalidate(kStart + 30ms);
    core.Dialled(*dial, Make(9, &living), kStart + 40ms);
    CHECK(living == 1);
    CHECK(waiter.slot == nullptr);
    dial = core.StartDial(kStart + 60ms);
    REQUIRE(dial != nullptr);
  }
  core.Dialled(*dial, Make(10, &living), kStart + 70ms);
  REQUIRE(waiter.slot != nullptr);
  CHECK(AsFake(*waiter.slot).id == 10);
  core.Return(*other, kStart + 70ms);
  core.Return(*waiter.slot, kStart + 70ms);
  CHECK(living == 1);
  CHECK(core.Totals().invalidated >= 3);
}

TEST_CASE("pool core: a leak is found with its line, and reported once") {
  Core core(Limits{.max = 2, .leak_after = 100ms}, 1);
  auto held = Fill(core, 2);
  core.Return(*held[0], kStart);
  const std::uint32_t line = std::source_location::current().line() + 1;
  Slot* leaked = core.TryTake(kStart + 50ms);
  REQUIRE(leaked != nullptr);
  core.Return(*held[1], kStart + 60ms);
  core.Reap(kStart + 149ms);
  CHECK(core.TakeLeaks().empty());
  core.Reap(kStart + 150ms);
  core.Reap(kStart + 500ms);
  const std::vector<Holder> leaks = core.TakeLeaks();
  REQUIRE(leaks.size() == 1);
  CHECK(leaks[0].where.line() == line);
  CHECK(std::string(leaks[0].where.file_name()).ends_with("core_upkeep_test.cpp"));
  CHECK(leaks[0].age == 100ms);
  CHECK(core.Totals().leaks_detected == 1);
  core.Return(*leaked, kStart + 1s);
  leaked = core.TryTake(kStart + 1s);  // another loan of the same resource is another leak
  core.Reap(kStart + 2s);
  CHECK(core.Totals().leaks_detected == 2);
}

TEST_CASE("pool core: a smaller max takes idle ones at once and borrowed ones at their return") {
  int living = 0;
  Core core(Limits{.max = 40}, 1);
  std::vector<Slot*> held;
  for (int i = 0; i < 40; ++i) core.Adopt(Make(i, &living), kStart);
  for (int i = 0; i < 5; ++i) held.push_back(core.TryTake(kStart));
  core.Resize(0, 3, kStart);
  CHECK(living == 5);
  core.Return(*held[0], kStart);
  core.Return(*held[1], kStart);
  CHECK(living == 3);
  core.Return(*held[2], kStart);
  CHECK(core.Now().idle == 1);
  CHECK(core.Totals().shrunk == 37);
  // And larger again, beyond what there ever was.
  core.Resize(100, 100, kStart);
  CHECK(core.Now().Total() == 3);
  std::size_t dials = 0;
  while (Slot* slot = core.StartDial(kStart)) {
    core.Dialled(*slot, Make(), kStart);
    ++dials;
  }
  CHECK(dials == 97);
}

TEST_CASE("pool core: a paused pool lends nothing, says when it is quiet, and goes on") {
  struct Watch final : Core::QuietWatch {
    void Quiet() noexcept override { ++calls; }
    int calls = 0;
  };
  Core core(Limits{.max = 2}, 1);
  auto held = Fill(core, 2);
  core.Return(*held[1], kStart);
  core.Pause(false, kStart);
  CHECK(core.TryTake(kStart) == nullptr);
  Watch watch;
  CHECK(!core.WatchQuiet(watch));
  Borrower waiter;
  CHECK(core.Enqueue(waiter, kStart) == Cause::kNone);
  CHECK(core.Explain(Cause::kNone, kStart).cause == Cause::kPaused);
  CHECK(waiter.slot == nullptr);
  core.Return(*held[0], kStart);
  CHECK(waiter.slot == nullptr);
  CHECK(watch.calls == 1);
  CHECK(core.WatchQuiet(watch));
  core.Resume(kStart);
  CHECK(waiter.slot != nullptr);
  CHECK(core.TryTake(kStart) != nullptr);
  CHECK(!core.WatchQuiet(watch));
  CHECK(core.StopWatching(watch));
  core.Pause(true, kStart);
  Borrower refused;
  CHECK(core.Enqueue(refused, kStart) == Cause::kPaused);
}

TEST_CASE(
    "pool core: after a pause all who wait are served by what lies idle, however stale or dead") {
  const auto served = [](Sharing sharing, const std::vector<bool>& alive, std::size_t waiters) {
    Limits limits;
    limits.max = alive.size();
    Core core(limits, 1, sharing);
    for (const bool lives : alive) {
      auto fake = std::make_unique<Fake>(0);
      fake->alive = lives;
      REQUIRE(core.Adopt(std::move(fake), kStart));
    }
    core.Pause(false, kStart);
    std::vector<Borrower> borrowers(waiters);
    for (Borrower& one : borrowers) REQUIRE(core.Enqueue(one, kStart) == Cause::kNone);
    const TimePoint later = kStart + limits.validate_after;
    core.Resume(later);
    std::size_t count = 0;
    for (Borrower& one : borrowers) {
      if (one.slot != nullptr) ++count;
    }
    for (Borrower& one : borrowers) {
      one.slot != nullptr ? core.Return(*one.slot, later) : void(core.Remove(one, later));
    }
    return count;
  };
  for (const Sharing sharing : {Sharing::kOneThread, Sharing::kThreads}) {
    CHECK(served(sharing, {true, true, true, true, true}, 3) == 3);
    CHECK(served(sharing, {false, true, false, true}, 2) == 2);
    CHECK(served(sharing, {true, false, true, false}, 2) == 2);
  }
}

TEST_CASE("pool core: a closed pool fails who waits, and destroys what comes back") {
  int living = 0;
  Core core(Limits{.max = 2}, 1);
  core.Adopt(Make(1, &living), kStart);
  core.Adopt(Make(2, &living), kStart);
  Slot* a = core.TryTake(kStart);
  Slot* b = core.TryTake(kStart);
  REQUIRE(b != nullptr);
  core.Return(*b, kStart);
  core.Close(kStart);
  CHECK(living == 1);
  Borrower waiter;
  CHECK(core.Enqueue(waiter, kStart) == Cause::kClosed);
  CHECK(core.TryTake(kStart) == nullptr);
  CHECK(core.StartDial(kStart) == nullptr);
  CHECK(!core.Adopt(Make(3, &living), kStart));
  core.Return(*a, kStart);
  CHECK(living == 0);
}

TEST_CASE("pool core: an adaptive pool lets go of what the last minute did not need") {
  Core core(Limits{.min = 1, .max = 20, .idle_timeout = 1h, .adaptive = true}, 1);
  auto held = Fill(core, 10);
  core.Reap(kStart);
  for (Slot* slot : held) core.Return(*slot, kStart);
  TimePoint now = kStart;
  for (int second = 1; second <= 25; ++second) core.Reap(now += 1s);
  CHECK(core.Now().Total() == 10);
  Slot* busy[3];
  for (int second = 26; second <= 120; ++second) {
    now += 1s;
    for (Slot*& slot : busy) slot = core.TryTake(now);
    core.Reap(now);
    for (Slot* slot : busy) core.Return(*slot, now);
  }
  CHECK(core.Now().Total() == 3);
}

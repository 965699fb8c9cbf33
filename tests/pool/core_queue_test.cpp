// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "libperf/pool/parker.hpp"
#include "tests/pool/fakes.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

TEST_CASE("pool core: waiters are served strictly oldest first, and nobody overtakes them") {
  Core core(Limits{.max = 1}, 1);
  auto held = Fill(core, 1);
  std::vector<int> log;
  std::vector<std::unique_ptr<Borrower>> waiting;
  for (int id = 1; id <= 5; ++id) {
    waiting.push_back(std::make_unique<Borrower>());
    waiting.back()->id = id;
    waiting.back()->log = &log;
    CHECK(core.Enqueue(*waiting.back(), kStart) == Cause::kNone);
  }
  CHECK(core.Remove(*waiting[2], kStart));  // from the middle,
  CHECK(core.Remove(*waiting[0], kStart));  // from the front
  CHECK(core.Remove(*waiting[4], kStart));  // and from the back
  CHECK(core.Remove(*waiting[4], kStart));  // once more is nothing
  CHECK(core.Now().waiting == 2);
  CHECK(core.StartDial(kStart) == nullptr);  // the pool is full
  core.Return(*held[0], kStart);
  CHECK(log == std::vector{2});
  CHECK(!core.Remove(*waiting[1], kStart));
  CHECK(core.TryTake(kStart) == nullptr);
  core.Return(*waiting[1]->slot, kStart);
  CHECK(log == std::vector{2, 4});
  core.Return(*waiting[3]->slot, kStart);
  CHECK(core.Now().idle == 1);
  CHECK(core.TryTake(kStart) != nullptr);
  CHECK(core.Totals().waited == 5);
  CHECK(core.Totals().cancelled == 3);
  CHECK(core.Totals().most_waiting == 5);
  CHECK(core.Totals().most_in_use == 1);
}

TEST_CASE("pool core: idle resources are reused newest first, and looked at after a while") {
  Core core(Limits{.max = 3, .validate_after = 500ms}, 1);
  auto held = Fill(core, 3);
  core.Return(*held[0], kStart);
  core.Return(*held[1], kStart + 400ms);
  core.Return(*held[2], kStart + 800ms);
  Slot* newest = core.TryTake(kStart + 900ms);
  REQUIRE(newest != nullptr);
  CHECK(AsFake(*newest).id == 2);
  CHECK(AsFake(*newest).looked_at == 0);
  Slot* older = core.TryTake(kStart + 900ms);
  REQUIRE(older != nullptr);
  CHECK(AsFake(*older).id == 1);
  CHECK(AsFake(*older).looked_at == 1);
}

TEST_CASE("pool core: what died while idle is discarded, and the next one is given") {
  Core core(Limits{.max = 3}, 1);
  auto held = Fill(core, 3);
  AsFake(*held[1]).alive = false;
  AsFake(*held[2]).alive = false;
  for (Slot* slot : held) core.Return(*slot, kStart);
  Slot* taken = core.TryTake(kStart + 10s);
  REQUIRE(taken != nullptr);
  CHECK(AsFake(*taken).id == 0);
  CHECK(core.Totals().discarded == 2);
  CHECK(core.Now().Total() == 1);
}

TEST_CASE("pool core: what cannot be reused is not given on, and its place is free") {
  int living = 0;
  Core core(Limits{.max = 1}, 1);
  Borrower first;
  core.Enqueue(first, kStart);
  Slot* dial = core.StartDial(kStart);
  REQUIRE(dial != nullptr);
  core.Dialled(*dial, Make(0, &living), kStart);
  REQUIRE(first.slot != nullptr);
  Borrower second;
  core.Enqueue(second, kStart);
  SUBCASE("it says so itself") { AsFake(*first.slot).reusable = false; }
  SUBCASE("its borrower says so") { first.slot->MarkBroken(); }
  core.Return(*first.slot, kStart);
  CHECK(living == 0);
  CHECK(second.slot == nullptr);
  CHECK(core.Totals().discarded == 1);
  CHECK(core.StartDial(kStart) != nullptr);
  core.Remove(second, kStart);
}

TEST_CASE("pool core: an adopted one is idle, and there is room for max") {
  Core core(Limits{.max = 1}, 1);
  CHECK(core.Adopt(Make(7), kStart));
  CHECK(core.Now().idle == 1);
  CHECK(!core.Adopt(Make(8), kStart));
  Slot* taken = core.TryTake(kStart);
  REQUIRE(taken != nullptr);
  CHECK(AsFake(*taken).id == 7);
}

namespace {

/// A thread that sleeps in the queue.
struct Sleeper final : Waiter {
  Sleeper() : Waiter(Parker::Mine()) {}
  void Grant(Slot&) noexcept override {}
  void Fail(const Refusal&) noexcept override {}
};

}  // namespace

TEST_CASE(
    "pool core: bounded, a waiter is overtaken freely for 1 ms, then 16 times, then no more") {
  Core core(Limits{.max = 1, .fairness = Fairness::kBounded}, 1, Sharing::kThreads);
  REQUIRE(core.Adopt(Make(), kStart));
  Slot* slot = core.TryTake(kStart);
  Sleeper oldest;
  CHECK(core.Enqueue(oldest, kStart) == Cause::kNone);
  core.Return(*slot, kStart);
  CHECK(oldest.State() == Waiter::Status::kWaiting);  // told, and not come yet
  CHECK(core.TryTake(kStart) == nullptr);
  CHECK(core.MayBarge());
  for (int i = 0; i < 100; ++i) {
    slot = core.TryBarge(kStart + 1ms - 1ns);
    REQUIRE(slot != nullptr);
    core.Return(*slot, kStart + 1ms - 1ns);
  }
  for (int i = 0; i < kOvertakesMost; ++i) {
    slot = core.TryBarge(kStart + 1ms);
    REQUIRE(slot != nullptr);
    if (i < kOvertakesMost - 1) core.Return(*slot, kStart + 1ms);
  }
  CHECK(core.TryBarge(kStart + 1ms) == nullptr);
  Sleeper next;
  SUBCASE("it is handed what comes back") {
    core.Enqueue(next, kStart + 1ms);  // as whoever may not overtake does
    core.Return(*slot, kStart + 1ms);
    CHECK(oldest.State() == Waiter::Status::kDelivered);
    CHECK(&oldest.Given() == slot);
    // The next one is in its own first millisecond.
    CHECK(core.TryBarge(kStart + 1ms + 1us) == nullptr);  // nothing is idle
    core.Return(*slot, kStart + 2ms - 1ns);
    CHECK(next.State() == Waiter::Status::kWaiting);
    slot = core.TryBarge(kStart + 2ms - 1ns);
    REQUIRE(slot != nullptr);
    // Too late: whoever waits for longer than that is handed it, without a new allowance.
    Sleeper third;
    core.Enqueue(third, kStart + 2ms - 1ns);
    for (int i = 0; i < kOvertakesMost; ++i) {
      core.Return(*slot, kStart + 4ms);
      slot = core.TryBarge(kStart + 4ms);
      REQUIRE(slot != nullptr);
    }
    Sleeper fourth;
    core.Enqueue(fourth, kStart + 4ms);
    for (Sleeper* sleeper : {&next, &third}) {
      CHECK(core.TryBarge(kStart + 4ms) == nullptr);
      core.Return(*slot, kStart + 4ms);
      REQUIRE(sleeper->State() == Waiter::Status::kDelivered);
    }
    core.Remove(fourth, kStart + 4ms);
    CHECK(core.Totals().overtakes == 100 + 16 + 1 + 16);
  }
  SUBCASE("it comes and looks") {
    core.Return(*slot, kStart + 1ms);
    CHECK(core.TryQueued(oldest, kStart + 1ms));
    CHECK(oldest.State() == Waiter::Status::kDelivered);
    CHECK(core.Totals().overtakes == 116);
  }
  SUBCASE("it leaves, and the next one is told") {
    core.Enqueue(next, kStart + 1ms);
    CHECK(core.Remove(oldest, kStart + 1ms));
    core.Return(*slot, kStart + 1ms);
    CHECK(core.TryQueued(next, kStart + 1ms));
    CHECK(next.State() == Waiter::Status::kDelivered);
  }
  CHECK(core.Totals().overtaken_most <= 16);
}

TEST_CASE("pool core: bounded, only the one that was told may come out of the queue's order") {
  Core core(Limits{.max = 1, .fairness = Fairness::kBounded}, 1, Sharing::kThreads);
  REQUIRE(core.Adopt(Make(), kStart));
  Slot* slot = core.TryTake(kStart);
  Sleeper first;
  Sleeper second;
  core.Enqueue(first, kStart);
  core.Enqueue(second, kStart);
  core.Return(*slot, kStart);
  CHECK(!core.TryQueued(second, kStart));  // woken for no reason
  CHECK(core.Remove(first, kStart));       // told, and gone
  CHECK(core.TryQueued(second, kStart));
}

TEST_CASE("pool core: the queue has a bound") {
  Core core(Limits{.max = 1, .max_waiters = 2}, 1, Sharing::kOneThread, "db");
  auto held = Fill(core, 1);
  Borrower a;
  Borrower b;
  Borrower c;
  CHECK(core.Enqueue(a, kStart) == Cause::kNone);
  CHECK(core.Enqueue(b, kStart) == Cause::kNone);
  CHECK(core.Refuses(kStart) == Cause::kQueueFull);
  CHECK(core.Enqueue(c, kStart) == Cause::kQueueFull);
  CHECK(core.Totals().refused == 1);
  core.Remove(a, kStart);
  CHECK(core.Enqueue(c, kStart) == Cause::kNone);
  core.Remove(b, kStart);
  core.Remove(c, kStart);
}

TEST_CASE("pool core: a refusal says what the pool is busy with") {
  Core core(Limits{.max = 2}, 1, Sharing::kOneThread, "db");
  auto held = Fill(core, 2);
  core.Return(*held[0], kStart);
  const std::uint32_t line = std::source_location::current().line() + 1;
  REQUIRE(core.TryTake(kStart + 30ms) != nullptr);
  Borrower waiter;
  core.Enqueue(waiter, kStart + 40ms);
  Refusal why = core.Explain(Cause::kNone, kStart + 50ms);
  CHECK(why.cause == Cause::kHeld);
  CHECK(why.pool == "db");
  CHECK(why.max == 2);
  CHECK(why.counts.in_use == 2);
  CHECK(why.counts.waiting == 1);
  CHECK(why.oldest.age == 50ms);
  REQUIRE(core.Holders(kStart + 50ms, 0ms).size() == 2);
  CHECK(core.Holders(kStart + 50ms, 25ms).size() == 1);
  CHECK(core.Holders(kStart + 50ms, 0ms)[1].where.line() == line);
  why.waited = 10ms;
  why.oldest = core.Holders(kStart + 50ms, 0ms)[1];
  CHECK(Text(why) ==
        "pool db: all connections are in use after 10 ms (in use 2, idle 0, connecting "
        "0, waiting 1, max 2; held longest by core_queue_test.cpp:" +
            std::to_string(line) + ", for 20 ms)");
  core.Remove(waiter, kStart);
}

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/pool/fakes.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

TEST_CASE("pool core: an empty pool dials what a burst needs, within max and max_dials") {
  struct Row {
    Limits limits;
    std::size_t waiters;
    std::size_t dials;
  };
  const Row rows[] = {
      {{.max = 10}, 0, 0},
      {{.max = 10}, 3, 3},
      {{.max = 10}, 30, 10},
      {{.max = 10, .max_dials = 4}, 30, 4},
      {{.min = 5, .max = 10}, 0, 5},
      {{.min = 5, .max = 10}, 7, 7},
      {{.min = 5, .max = 10, .max_dials = 2}, 0, 2},
      {{.min = 20, .max = 10}, 0, 10},
      {{.max = 0}, 3, 0},
  };
  for (const Row& row : rows) {
    Core core(row.limits, 1);
    std::deque<Borrower> waiting(row.waiters);
    for (Borrower& borrower : waiting) core.Enqueue(borrower, kStart);
    CHECK(Dials(core, kStart).size() == row.dials);
    CHECK(Dials(core, kStart).empty());  // those under way serve the same waiters
    CHECK(core.Now().dialling == row.dials);
    for (Borrower& borrower : waiting) core.Remove(borrower, kStart);
  }
}

TEST_CASE("pool core: a dial whose waiter left is kept as idle") {
  Core core(Limits{.max = 2}, 1);
  Borrower borrower;
  core.Enqueue(borrower, kStart);
  Slot* dial = core.StartDial(kStart);
  REQUIRE(dial != nullptr);
  core.Remove(borrower, kStart);
  core.Dialled(*dial, Make(), kStart);
  CHECK(core.Now().idle == 1);
  CHECK(core.TryTake(kStart) != nullptr);
}

TEST_CASE("pool core: backoff doubles up to its most, within the jitter's bounds") {
  const Limits limits{.max = 4, .backoff_first = 50ms, .backoff_most = 1s};
  bool differ = false;
  TimePoint earlier{};
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Core core(limits, seed);
    TimePoint now = kStart;
    Duration full = 50ms;
    for (int failure = 0; failure < 40; ++failure) {
      Borrower borrower;
      core.Enqueue(borrower, now);
      Slot* dial = core.StartDial(now);
      REQUIRE(dial != nullptr);
      core.DialFailed(*dial, "refused", now);
      CHECK(borrower.failure == "refused");
      CHECK(borrower.cause == Cause::kDown);
      const Duration pause = core.RetryAt() - now;
      CHECK(pause >= full / 2);
      CHECK(pause <= full);
      CHECK(core.Refuses(core.RetryAt() - 1ns) == Cause::kDown);
      CHECK(core.Refuses(core.RetryAt()) == Cause::kNone);
      CHECK(core.StartDial(core.RetryAt() - 1ns) == nullptr);
      now = core.RetryAt();
      full = std::min<Duration>(full * 2, 1s);
    }
    differ |= earlier != TimePoint{} && earlier != now;
    earlier = now;
  }
  CHECK(differ);
}

TEST_CASE("pool core: a burst of dials that fails together is one failure for the backoff") {
  Core core(Limits{.max = 10, .backoff_first = 50ms, .backoff_most = 1s}, 1);
  std::deque<Borrower> waiting(10);
  for (Borrower& borrower : waiting) core.Enqueue(borrower, kStart);
  auto dials = Dials(core, kStart);
  REQUIRE(dials.size() == 10);
  for (int i = 0; i < 10; ++i) {
    core.DialFailed(*dials[static_cast<std::size_t>(i)], "refused", kStart + i * 1us);
  }
  CHECK(core.RetryAt() >= kStart + 25ms);
  CHECK(core.RetryAt() <= kStart + 51ms);
  // The probe after it fails as well: now it doubles.
  const TimePoint again = core.RetryAt();
  Borrower late;
  core.Enqueue(late, again);
  dials = Dials(core, again);
  REQUIRE(dials.size() == 1);
  core.DialFailed(*dials[0], "refused", again);
  CHECK(core.RetryAt() - again >= 50ms);
  CHECK(core.RetryAt() - again <= 100ms);
}

TEST_CASE("pool core: everyone fails once no connection is left and none is on its way") {
  Core core(Limits{.max = 2}, 1);
  std::vector<int> log;
  std::deque<Borrower> waiting(3);
  for (int i = 0; i < 3; ++i) {
    waiting[static_cast<std::size_t>(i)].id = i + 1;
    waiting[static_cast<std::size_t>(i)].log = &log;
    core.Enqueue(waiting[static_cast<std::size_t>(i)], kStart);
  }
  auto dials = Dials(core, kStart);
  REQUIRE(dials.size() == 2);
  core.DialFailed(*dials[0], "first", kStart);
  CHECK(log.empty());
  // The other dial may still succeed: neither those who wait nor those who come are failed.
  CHECK(core.Refuses(kStart) == Cause::kNone);
  core.DialFailed(*dials[1], "second", kStart);
  CHECK(log == std::vector{-1, -2, -3});
  CHECK(waiting[0].failure == "second");
  CHECK(core.Refuses(kStart) == Cause::kDown);
  Borrower early;
  CHECK(core.Enqueue(early, kStart) == Cause::kDown);
  CHECK(core.Explain(Cause::kDown, kStart).connect_error == "second");
  // One probe while the target is down, whatever waits.
  std::deque<Borrower> more(5);
  const TimePoint later = core.RetryAt();
  for (Borrower& borrower : more) CHECK(core.Enqueue(borrower, later) == Cause::kNone);
  dials = Dials(core, later);
  REQUIRE(dials.size() == 1);
  core.Dialled(*dials[0], Make(), later + 1ms);
  CHECK(more[0].slot != nullptr);
  // Up again, and nothing has come back since the queue began: as many as fit.
  dials = Dials(core, later + 30ms);
  REQUIRE(dials.size() == 1);
  core.Dialled(*dials[0], Make(), later + 31ms);
  CHECK(more[1].slot != nullptr);
  for (Borrower& borrower : more) core.Remove(borrower, later);
}

TEST_CASE("pool core: a probe that hangs fails those who wait for it, and those who come") {
  Core core(Limits{.max = 2}, 1);
  Borrower first;
  core.Enqueue(first, kStart);
  core.DialFailed(*core.StartDial(kStart), "no route", kStart);
  const TimePoint again = core.RetryAt();
  Borrower waiter;
  core.Enqueue(waiter, again);
  Slot* probe = core.StartDial(again);
  REQUIRE(probe != nullptr);
  CHECK(core.NextDecision(again) == again + Core::kProbePatience);
  CHECK(core.Refuses(again + 3ms) == Cause::kNone);
  CHECK(core.StartDial(again + Core::kProbePatience) == nullptr);
  CHECK(waiter.cause == Cause::kDown);
  CHECK(waiter.failure == "no route");
  CHECK(core.Refuses(again + 10ms) == Cause::kDown);
  core.Dialled(*probe, Make(), again + 20ms);  // it is not lost
  CHECK(core.Refuses(again + 20ms) == Cause::kNone);
  CHECK(core.TryTake(again + 20ms) != nullptr);
}

TEST_CASE(
    "pool core: a probe that hangs beside a connection that lives asks for no more decisions") {
  // With room for another dial, and without.
  for (const std::size_t max_dials : {1, 4}) {
    CAPTURE(max_dials);
    Core core(Limits{.max = 3, .max_dials = max_dials}, 1);
    auto held = Fill(core, 1);
    Borrower waiter;
    core.Enqueue(waiter, kStart);
    REQUIRE(core.StartDial(kStart) == nullptr);  // what is held may come back first
    const TimePoint first = core.NextDecision(kStart);
    REQUIRE(first <= kStart + 20ms);
    Slot* dial = core.StartDial(first);
    REQUIRE(dial != nullptr);
    core.DialFailed(*dial, "no route", first);
    const TimePoint again = core.RetryAt();
    Slot* probe = core.StartDial(again);
    REQUIRE(probe != nullptr);
    const TimePoint patience_ends = again + Core::kProbePatience;
    CHECK(core.NextDecision(again) == patience_ends);
    // The one that is held may come back: nobody fails, and there is nothing to decide before.
    CHECK(core.StartDial(patience_ends) == nullptr);
    CHECK(waiter.cause == Cause::kNone);
    // An instant that has passed would be asked for again and again, without a pause.
    CHECK(core.NextDecision(patience_ends) == TimePoint::max());
    CHECK(core.NextDecision(patience_ends + 1s) == TimePoint::max());
    core.Dialled(*probe, Make(), patience_ends + 2s);
    CHECK(waiter.slot != nullptr);
    core.Return(*held[0], patience_ends + 2s);
  }
}

TEST_CASE("pool core: while a connection lives a failed dial fails nobody") {
  Core core(Limits{.max = 2}, 1);
  auto held = Fill(core, 1);
  Borrower borrower;
  core.Enqueue(borrower, kStart);
  CHECK(core.StartDial(kStart) == nullptr);  // it may come back sooner than a dial takes
  const TimePoint later = core.NextDecision(kStart);
  CHECK(later <= kStart + 20ms);
  Slot* dial = core.StartDial(later);
  REQUIRE(dial != nullptr);
  core.DialFailed(*dial, "too many clients", later);
  CHECK(borrower.cause == Cause::kNone);
  CHECK(core.Refuses(later) == Cause::kNone);
  core.Return(*held[0], later);
  CHECK(borrower.slot != nullptr);
}

TEST_CASE("pool core: a dial's error is told until one succeeds") {
  Core core(Limits{.max = 2}, 1);
  auto held = Fill(core, 1);
  Borrower borrower;
  core.Enqueue(borrower, kStart);
  CHECK(core.StartDial(kStart) == nullptr);
  Slot* dial = core.StartDial(kStart + 20ms);
  REQUIRE(dial != nullptr);
  core.DialFailed(*dial, "too many clients", kStart + 20ms);
  CHECK(core.Explain(Cause::kHeld, kStart).connect_error == "too many clients");
  dial = core.StartDial(core.RetryAt());
  REQUIRE(dial != nullptr);
  core.Dialled(*dial, Make(), core.RetryAt());
  CHECK(core.Explain(Cause::kHeld, kStart).connect_error.empty());
  CHECK(borrower.slot != nullptr);
}

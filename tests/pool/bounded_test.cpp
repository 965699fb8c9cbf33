// SPDX-License-Identifier: Apache-2.0
// kBounded with threads that are played by one: every order of their steps can be had again by its
// seed.
#include <algorithm>
#include <deque>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/pool/parker.hpp"
#include "tests/pool/fakes.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

namespace {

struct Sleeper final : Waiter {
  Sleeper() : Waiter(Parker::Mine()) {}
  void Grant(Slot&) noexcept override {}
  void Fail(const Refusal&) noexcept override {}
};

/// Threads in the state between two of their steps, and the bounds counted from outside.
class Threads {
 public:
  Threads(std::uint64_t seed, Fairness fairness)
      : random_(seed),
        max_(static_cast<std::size_t>(random_.Int(1, 3))),
        core_(Limits{.min = max_, .max = max_, .fairness = fairness}, seed, Sharing::kThreads),
        strict_(fairness == Fairness::kStrict) {
    for (std::size_t i = 0; i < max_; ++i) REQUIRE(core_.Adopt(Make(), now_));
  }
  ~Threads() {
    for (Thread& thread : threads_) core_.Remove(thread.waiter, now_);
  }

  void Step() {
    now_ += 1us * random_.Int(0, 400);
    Thread& thread = threads_[static_cast<std::size_t>(random_.Int(0, kThreads - 1))];
    switch (thread.at) {
      case At::kOutside: Look(thread); break;
      case At::kLooked: Enqueue(thread); break;
      case At::kWaiting: Wake(thread); break;
      case At::kHolding: Return(thread); break;
    }
  }

  /// All who were woken get to run; then nobody may wait beside an idle connection.
  void Settle() {
    for (bool moved = true; moved;) {
      moved = false;
      for (Thread& thread : threads_) {
        if (thread.at == At::kWaiting && core_.TryQueued(thread.waiter, now_)) {
          Take(thread, thread.waiter.Given());
          moved = true;
        }
      }
    }
    const Counts counts = core_.Now();
    CHECK((counts.idle == 0 || counts.waiting == 0));
    CHECK(counts.Total() == max_);
  }

  void Finish() {
    for (int i = 0; i < 1000; ++i) {
      Settle();
      for (Thread& thread : threads_) {
        if (thread.at == At::kHolding) Return(thread);
        if (thread.at == At::kLooked) thread.at = At::kOutside;
      }
    }
    CHECK(core_.Now().idle == max_);
    CHECK(core_.Now().waiting == 0);
    CHECK(core_.Totals().overtaken_most <= static_cast<std::uint64_t>(kOvertakesMost));
    if (strict_) CHECK(core_.Totals().overtakes == 0);
  }

 private:
  enum class At { kOutside, kLooked, kWaiting, kHolding };
  static constexpr int kThreads = 6;
  struct Thread {
    At at = At::kOutside;
    Sleeper waiter;
    Slot* slot = nullptr;
    TimePoint since{};
    int overtaken_late = 0;
  };

  void Look(Thread& thread) {
    const bool barges = core_.MayBarge();
    Slot* slot = barges ? core_.TryBarge(now_) : core_.TryTake(now_);
    if (slot == nullptr) {
      thread.at = At::kLooked;
      return;
    }
    for (Thread& other : threads_) {
      if (other.at != At::kWaiting || other.waiter.State() != Waiter::Status::kWaiting) continue;
      CHECK(!strict_);
      if (now_ >= other.since + kOvertakingGrace) {
        CHECK(++other.overtaken_late <= kOvertakesMost);
      }
    }
    Take(thread, *slot);
  }
  void Enqueue(Thread& thread) {
    thread.since = now_;
    thread.overtaken_late = 0;
    REQUIRE(core_.Enqueue(thread.waiter, now_) == Cause::kNone);
    thread.at = At::kWaiting;
  }
  void Wake(Thread& thread) {
    if (core_.TryQueued(thread.waiter, now_)) {
      Take(thread, thread.waiter.Given());
    } else if (random_.Int(0, 9) == 0) {  // its time is up
      CHECK(core_.Remove(thread.waiter, now_));
      thread.at = At::kOutside;
    }
  }
  void Take(Thread& thread, Slot& slot) {
    thread.slot = &slot;
    thread.at = At::kHolding;
  }
  void Return(Thread& thread) {
    core_.Return(*thread.slot, now_);
    thread.at = At::kOutside;
  }

  Random random_;
  std::size_t max_;
  Core core_;
  bool strict_;
  TimePoint now_ = kStart;
  std::deque<Thread> threads_{kThreads};
};

}  // namespace

TEST_CASE("pool bugs 1, 3 and 5 with threads: any order of their steps, in both fairnesses") {
  for (const Fairness fairness : {Fairness::kStrict, Fairness::kBounded}) {
    for (std::uint64_t seed = 1, last = Seeds(500); seed <= last; ++seed) {
      CAPTURE(seed);
      Threads threads(seed, fairness);
      for (int step = 0; step < 200; ++step) {
        threads.Step();
        if (step % 20 == 19) threads.Settle();
      }
      threads.Finish();
    }
  }
}

TEST_CASE("pool bug 3: a return that falls between the look and the queue is found by the queue") {
  for (const Fairness fairness : {Fairness::kStrict, Fairness::kBounded}) {
    Core core(Limits{.max = 1, .fairness = fairness}, 1, Sharing::kThreads);
    auto held = Fill(core, 1);
    CHECK(core.TryTake(kStart) == nullptr);
    core.Return(*held[0], kStart);
    Sleeper sleeper;
    core.Enqueue(sleeper, kStart);
    CHECK(core.TryQueued(sleeper, kStart));
    CHECK(sleeper.State() == Waiter::Status::kDelivered);
  }
}

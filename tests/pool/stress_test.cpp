// SPDX-License-Identifier: Apache-2.0
// Threads against one core: what no virtual time can show. Meant to be run under TSan, too.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/pool/blocking_pool.hpp"
#include "tests/pool/fakes.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

namespace {

/// A thousand are enough under a tool that is a hundred times slower.
int Rounds() { return static_cast<int>(std::min<std::uint64_t>(Seeds(300), 1000)); }

BlockingPool::Options Named(Limits limits) {
  BlockingPool::Options options;
  options.name = "db";
  options.limits = limits;
  return options;
}

/// One that notices two borrowers.
struct Guarded final : Resource {
  explicit Guarded(std::atomic<int>& the_living) : living(the_living) { ++living; }
  ~Guarded() override { --living; }
  bool Reusable() const noexcept override { return reusable; }
  bool Alive() noexcept override { return true; }
  std::atomic<int>& living;
  std::atomic<int> users{0};
  bool reusable = true;
};

void Together(int threads, const std::function<void(int)>& body) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back([&, i] { body(i); });
  for (std::thread& thread : running) thread.join();
}

}  // namespace

TEST_CASE("pool stress: each connection has one borrower, everyone is served, all comes back") {
  const int rounds = Rounds() * 10;
  for (const Fairness fairness : {Fairness::kStrict, Fairness::kBounded}) {
    for (const int threads : {2, 4, 8}) {
      CAPTURE(threads);
      std::atomic<int> living{0};
      std::atomic<int> doubles{0};
      std::atomic<int> refused{0};
      {
        BlockingPool pool(Named({.max = 3, .fairness = fairness}), [&](Deadline, std::string&) {
          return std::make_unique<Guarded>(living);
        });
        Together(threads, [&](int id) {
          Random random(static_cast<std::uint64_t>(id) + 1);
          for (int i = 0; i < rounds; ++i) {
            auto lent = pool.Acquire(Deadline(Clock::now() + 60s));
            if (!lent.loan) {
              ++refused;
              continue;
            }
            Guarded& connection = lent.loan.As<Guarded>();
            if (connection.users.fetch_add(1) != 0) ++doubles;
            if (random.Int(0, 3) == 0) std::this_thread::yield();
            connection.users.fetch_sub(1);
            if (random.Int(0, 500) == 0) lent.loan.MarkBroken();
          }
        });
        const Statistics totals = pool.Core().Totals();
        CHECK(doubles == 0);
        CHECK(refused == 0);
        CHECK(living <= 3);
        CHECK(pool.Core().Now().in_use == 0);
        CHECK(pool.Core().Now().waiting == 0);
        CHECK(totals.overtaken_most <= static_cast<std::uint64_t>(kOvertakesMost));
        if (fairness == Fairness::kStrict) CHECK(totals.overtakes == 0);
      }
      CHECK(living == 0);
    }
  }
}

TEST_CASE(
    "pool stress: time-outs about as long as the waits lose neither connections nor wake-ups") {
  const int rounds = Rounds();
  for (const Fairness fairness : {Fairness::kStrict, Fairness::kBounded}) {
    std::atomic<int> living{0};
    std::atomic<int> served{0};
    std::atomic<int> timed_out{0};
    BlockingPool pool(Named({.min = 2, .max = 2, .fairness = fairness}),
                      [&](Deadline, std::string&) { return std::make_unique<Guarded>(living); });
    REQUIRE(pool.Prefill(Deadline(Clock::now() + 60s)));
    Together(6, [&](int id) {
      Random random(static_cast<std::uint64_t>(id) + 1);
      for (int i = 0; i < rounds; ++i) {
        auto lent = pool.Acquire(Deadline(Clock::now() + 1us * random.Int(0, 150)));
        ++(lent.loan ? served : timed_out);
        if (lent.loan && random.Int(0, 1) == 0) {
          const TimePoint until = Clock::now() + 1us * random.Int(0, 60);
          while (Clock::now() < until) std::this_thread::yield();
        }
        if (!lent.loan) CHECK(lent.refusal.cause == Cause::kHeld);
      }
    });
    CHECK(served + timed_out == 6 * rounds);
    CHECK(served > 0);
    const Counts counts = pool.Core().Now();
    CHECK(counts.idle == 2);
    CHECK(counts.Total() == 2);
    CHECK(counts.waiting == 0);
    auto a = pool.Acquire(Deadline(Clock::now() + 60s));
    auto b = pool.Acquire(Deadline(Clock::now() + 60s));
    CHECK(a.loan);
    CHECK(b.loan);
  }
}

TEST_CASE("pool bug 3: a return between the look for an idle one and the queue is not missed") {
  // One connection and two threads that never hold it: any lost wake-up stops the test.
  const int rounds = Rounds() * 100;
  for (const Fairness fairness : {Fairness::kStrict, Fairness::kBounded}) {
    std::atomic<int> living{0};
    BlockingPool pool(Named({.max = 1, .fairness = fairness}),
                      [&](Deadline, std::string&) { return std::make_unique<Guarded>(living); });
    std::atomic<int> refused{0};
    Together(2, [&](int) {
      for (int i = 0; i < rounds; ++i) {
        if (!pool.Acquire(Deadline(Clock::now() + 60s)).loan) ++refused;
      }
    });
    CHECK(refused == 0);
  }
}

/// Of all threads of the process.
std::chrono::microseconds CpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/// The tools' own work for each thread and frame is several times that of the pool; who spins would
/// still use all there is.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kOneOf = 4;
#else
constexpr int kOneOf = 20;
#endif

TEST_CASE("pool bug 8: 200 who wait for 10 connections use less than 5 % of a processor") {
  for (const Fairness fairness : {Fairness::kStrict, Fairness::kBounded}) {
    std::atomic<int> living{0};
    BlockingPool pool(Named({.min = 10, .max = 10, .fairness = fairness}),
                      [&](Deadline, std::string&) { return std::make_unique<Guarded>(living); });
    REQUIRE(pool.Prefill(Deadline(Clock::now() + 60s)));
    // Threads begin and end outside of what is measured, and have waited once before.
    std::latch ready(201), go(1), served(200);
    std::atomic<int> refused{0};
    std::thread crowd([&] {
      Together(200, [&](int) {
        {
          const auto lent = pool.Acquire(Deadline(Clock::now() + 60s));
          if (!lent.loan) ++refused;
          std::this_thread::yield();
        }
        ready.count_down();
        go.wait();
        {
          const auto lent = pool.Acquire(Deadline(Clock::now() + 60s));
          if (!lent.loan) ++refused;
          std::this_thread::sleep_for(100ms);  // what is tested: what the others do meanwhile
        }
        served.count_down();
      });
    });
    ready.arrive_and_wait();
    const auto cpu_before = CpuTime();
    const TimePoint from = Clock::now();
    go.count_down();
    served.wait();
    const Duration took = Clock::now() - from;
    const Duration cpu = CpuTime() - cpu_before;
    crowd.join();
    CHECK(refused == 0);
    CHECK(took >= 2s);  // 20 turns
    MESSAGE(ToMs(cpu) << " ms of CPU in " << ToMs(took) << " ms");
    CHECK(cpu * kOneOf < took);
  }
}

TEST_CASE("pool stress: pause, resize, invalidation and upkeep in the middle of it all") {
  const int rounds = Rounds() / 10 + 1;
  std::atomic<int> living{0};
  {
    BlockingPool pool(Named({.min = 1,
                             .max = 6,
                             .max_waiters = 100,
                             .fairness = Fairness::kBounded,
                             .max_lifetime = 50ms,
                             .keepalive = 5ms,
                             .leak_after = 1ms}),
                      [&](Deadline, std::string& why) -> std::unique_ptr<Resource> {
                        static std::atomic<int> dials{0};
                        why = "every ninth fails";
                        if (++dials % 9 == 0) return nullptr;
                        return std::make_unique<Guarded>(living);
                      });
    std::atomic<bool> stop{false};
    std::atomic<int> served{0};
    std::vector<std::thread> workers;
    for (int i = 0; i < 6; ++i) {
      workers.emplace_back([&, i] {
        Random random(static_cast<std::uint64_t>(i) + 1);
        while (!stop) {
          auto lent = pool.Acquire(Deadline(Clock::now() + 1ms * random.Int(0, 20)));
          if (lent.loan) ++served;
          if (random.Int(0, 3) == 0) std::this_thread::yield();
        }
      });
    }
    for (int i = 0; i < rounds; ++i) {
      const int before = served;
      pool.Resize(1, static_cast<std::size_t>(1 + i % 6));
      pool.Invalidate();
      CHECK(pool.Pause(Deadline(Clock::now() + 60s), i % 2 == 0));
      CHECK(pool.Core().Now().in_use == 0);
      pool.Resume();
      const TimePoint end = Clock::now() + 60s;
      while (served == before && Clock::now() < end) std::this_thread::yield();
      CHECK(served > before);
    }
    stop = true;
    for (std::thread& worker : workers) worker.join();
    CHECK(pool.Drain(Deadline(Clock::now() + 60s)));
    CHECK(pool.Core().Now().in_use == 0);
  }
  CHECK(living == 0);
}

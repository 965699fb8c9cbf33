// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/retry_budget.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"

namespace perf::pool {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

RetryBudgetOptions RatioOnly(double ratio, double most = 100) {
  RetryBudgetOptions options;
  options.ratio = ratio;
  options.min_per_second = 0;
  options.most = most;
  return options;
}

int Drain(RetryBudget& budget, TimePoint now) {
  int granted = 0;
  while (budget.TryWithdraw(now)) ++granted;
  return granted;
}

TEST_CASE("retry budget grants the ratio of requests") {
  RetryBudget budget(RatioOnly(0.1));
  CHECK(Drain(budget, kStart) == 1);  // what it starts with
  for (int i = 0; i < 500; ++i) budget.Deposit();
  CHECK(Drain(budget, kStart) == 50);
  CHECK(budget.Now().granted == 51);
  CHECK(budget.Now().refused == 2);
  CHECK(budget.Now().balance < 1);
}

TEST_CASE("retry budget saves no more than its most") {
  RetryBudget budget(RatioOnly(0.5, 7));
  for (int i = 0; i < 100'000; ++i) budget.Deposit();
  CHECK(Drain(budget, kStart) == 7);
}

TEST_CASE("retry budget grants its minimum per second to a client without requests") {
  RetryBudgetOptions options;
  options.ratio = 0;
  options.min_per_second = 2;
  RetryBudget budget(options);
  CHECK(Drain(budget, kStart) == 2);
  CHECK(Drain(budget, kStart + 499ms) == 0);
  CHECK(Drain(budget, kStart + 500ms) == 1);
  CHECK(Drain(budget, kStart + 10s + 500ms) == 20);
  CHECK(Drain(budget, kStart) == 0);  // a clock that went back brings nothing
  CHECK(Drain(budget, kStart + 1h) == 100);
}

TEST_CASE("retry budget loses no part of a token to frequent questions") {
  RetryBudgetOptions options;
  options.ratio = 0;
  options.min_per_second = 1;
  RetryBudget budget(options);
  Drain(budget, kStart);
  int granted = 0;
  // 10 s in steps of 333 ns would truncate to nothing if each step were rounded for itself.
  for (Duration at{}; at < 3s; at += 333ns * 10) granted += budget.TryWithdraw(kStart + at) ? 1 : 0;
  CHECK(granted >= 2);
  CHECK(granted <= 3);
}

TEST_CASE("retry budget is never overdrawn by threads") {
  RetryBudgetOptions options;
  options.ratio = 0.25;
  options.min_per_second = 1000;
  options.most = 50;
  RetryBudget budget(options);
  constexpr int kThreads = 4, kRequests = 20'000;
  std::atomic<std::int64_t> clock{0};
  std::atomic<int> granted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRequests; ++i) {
        budget.Deposit();
        const TimePoint now = kStart + Duration(clock.fetch_add(1000));
        if (budget.TryWithdraw(now)) granted.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = static_cast<double>(clock.load()) / 1e9;
  const double most = 50 + 0.25 * kThreads * kRequests + 1000 * seconds;
  CHECK(granted.load() <= most);
  CHECK(granted.load() >= most - 50 - 1000 * seconds - 1);
  CHECK(budget.Now().granted == static_cast<std::uint64_t>(granted.load()));
  CHECK(budget.Now().granted + budget.Now().refused == kThreads * kRequests);
}

TEST_CASE("retry budget refuses options that cannot work") {
  CHECK_THROWS_AS(RetryBudget{RatioOnly(-0.1)}, ConfigError);
  CHECK_THROWS_AS(RetryBudget{RatioOnly(std::numeric_limits<double>::quiet_NaN())}, ConfigError);
  CHECK_THROWS_AS(RetryBudget{RatioOnly(0.1, 0)}, ConfigError);
}

TEST_CASE("backoff grows to its most and keeps within its jitter") {
  Random random(7);
  RetryBackoff backoff;
  backoff.first = 100ms;
  backoff.most = 1s;
  backoff.jitter = RetryBackoff::Jitter::kNone;
  CHECK(DelayBefore(backoff, 1, random) == 100ms);
  CHECK(DelayBefore(backoff, 3, random) == 400ms);
  CHECK(DelayBefore(backoff, 5, random) == 1s);
  CHECK(DelayBefore(backoff, ~0U, random) == 1s);
  for (const auto jitter : {RetryBackoff::Jitter::kFull, RetryBackoff::Jitter::kEqual}) {
    backoff.jitter = jitter;
    const Duration floor =
        jitter == RetryBackoff::Jitter::kFull ? Duration::zero() : Duration(200ms);
    Duration least = 1h, greatest{}, sum{};
    for (int i = 0; i < 4'000; ++i) {
      const Duration delay = DelayBefore(backoff, 3, random);
      least = std::min(least, delay);
      greatest = std::max(greatest, delay);
      sum += delay;
    }
    CHECK(least >= floor);
    CHECK(least < floor + 5ms);
    CHECK(greatest <= 400ms);
    CHECK(greatest > 395ms);
    CHECK(sum / 4'000 > (floor + 400ms) / 2 - 10ms);
    CHECK(sum / 4'000 < (floor + 400ms) / 2 + 10ms);
  }
}

TEST_CASE("retries end with their number, the deadline or the budget") {
  Random random(1);
  RetryBudget budget(RatioOnly(1));
  RetryPolicy policy;
  policy.retries = 2;
  policy.backoff.jitter = RetryBackoff::Jitter::kNone;
  policy.backoff.first = 100ms;
  Retries retries(budget, policy, random);
  const Deadline deadline = Deadline::After(kStart, 1s);
  CHECK(retries.Next(deadline, 50ms, kStart) == Duration(100ms));
  CHECK(retries.Next(deadline, 50ms, kStart + 200ms) == Duration(200ms));
  CHECK_FALSE(retries.Next(deadline, 50ms, kStart + 500ms).has_value());
  CHECK(retries.Made() == 2);
  CHECK(budget.Now().balance == 0);

  // A retry that would end after the deadline is not made and costs nothing.
  Retries late(budget, policy, random);
  CHECK_FALSE(late.Next(deadline, 50ms, kStart + 850ms).has_value());
  CHECK(budget.Now().balance == 1);
  CHECK(late.Next(deadline, 50ms, kStart + 849ms).has_value());
  // The budget is shared, and empty now.
  CHECK_FALSE(late.Next(deadline, 50ms, kStart + 849ms).has_value());
  CHECK_FALSE(late.Next(Deadline::Never(), 50ms, kStart).has_value());
  CHECK(budget.Now().refused == 1);
}

}  // namespace
}  // namespace perf::pool

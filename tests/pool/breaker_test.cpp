// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/breaker.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/pool/breaker_support.hpp"

namespace perf::pool {
namespace {

using namespace test;

bool Call(Breaker& breaker, Outcome outcome, TimePoint now, Duration took = 1ms,
          std::string_view why = {}) {
  Breaker::Permit permit = breaker.Allow(now);
  REQUIRE(permit);
  return breaker.Record(std::move(permit), outcome, took, now, why);
}

void Trip(Breaker& breaker, TimePoint now) {
  while (breaker.Now() == State::kClosed) Call(breaker, Outcome::kFailure, now);
  REQUIRE(breaker.Now() == State::kOpen);
}

TEST_CASE("breaker opens at the failure rate, once the minimum of calls is there") {
  Breaker breaker(Plain());
  CHECK_FALSE(Call(breaker, Outcome::kFailure, kStart));
  CHECK_FALSE(Call(breaker, Outcome::kFailure, kStart));
  CHECK_FALSE(Call(breaker, Outcome::kSuccess, kStart));
  CHECK(breaker.Now() == State::kClosed);
  // A success that completes the minimum shows the rate, too.
  CHECK(Call(breaker, Outcome::kSuccess, kStart));
  CHECK(breaker.Now() == State::kOpen);
  CHECK_FALSE(breaker.Allow(kStart));
  const BreakerSnapshot snapshot = breaker.Snapshot(kStart + 1s);
  CHECK(snapshot.opened == 1);
  CHECK(snapshot.calls == 4);
  CHECK(snapshot.failed == 2);
  CHECK(snapshot.rejected == 1);
  CHECK(snapshot.open_left == 4s);
  CHECK(snapshot.window_calls == 0);
}

TEST_CASE("breaker forgets what left the window of calls") {
  Breaker breaker(Plain());
  Call(breaker, Outcome::kFailure, kStart);
  for (int i = 0; i < 10; ++i) Call(breaker, Outcome::kSuccess, kStart);
  CHECK(breaker.Snapshot(kStart).window_failed == 0);
  // Nine successes and one failure are in the window; four more failures make it half.
  for (int i = 0; i < 4; ++i) CHECK_FALSE(Call(breaker, Outcome::kFailure, kStart));
  CHECK(Call(breaker, Outcome::kFailure, kStart));
}

TEST_CASE("breaker forgets what left the window of time") {
  BreakerOptions options = Plain();
  options.window = BreakerOptions::Window::kTime;
  options.span = 10s;
  Breaker breaker(options);
  for (int i = 0; i < 3; ++i) Call(breaker, Outcome::kFailure, kStart);
  CHECK_FALSE(Call(breaker, Outcome::kSuccess, kStart + 11s));
  CHECK(breaker.Snapshot(kStart + 11s).window_calls == 1);
  // Successes that grow old can raise the rate, without more failures than before.
  for (int i = 0; i < 5; ++i) Call(breaker, Outcome::kSuccess, kStart + 11s);
  for (int i = 0; i < 4; ++i) Call(breaker, Outcome::kFailure, kStart + 15s);
  CHECK(breaker.Now() == State::kClosed);
  CHECK(Call(breaker, Outcome::kSuccess, kStart + 22s));
}

TEST_CASE("breaker opens for slow calls that all succeed") {
  BreakerOptions options = Plain();
  options.slow_after = 100ms;
  options.slow_rate = 0.75;
  Breaker breaker(options);
  Call(breaker, Outcome::kSuccess, kStart, 100ms);  // not more than
  for (int i = 0; i < 2; ++i) CHECK_FALSE(Call(breaker, Outcome::kSuccess, kStart, 101ms));
  CHECK(Call(breaker, Outcome::kSuccess, kStart, 2s));
  CHECK(breaker.WhyOpen(kStart).find("3 of 4 calls took longer than 100ms (75.0 %") !=
        std::string::npos);
}

TEST_CASE("breaker counts failures by time whatever the rate") {
  BreakerOptions options = Plain();
  options.failures = 3;
  options.failures_within = 60s;
  options.failure_rate = 0;
  Breaker breaker(options);
  // Three in 61 s do not, three in 60 s do; a thousand successes between them have no say.
  CHECK_FALSE(Call(breaker, Outcome::kFailure, kStart));
  CHECK_FALSE(Call(breaker, Outcome::kFailure, kStart + 30s));
  CHECK_FALSE(Call(breaker, Outcome::kFailure, kStart + 61s));
  for (int i = 0; i < 1000; ++i) Call(breaker, Outcome::kSuccess, kStart + 62s);
  CHECK(Call(breaker, Outcome::kFailure, kStart + 90s, 1ms, "connection refused"));
  CHECK(breaker.WhyOpen(kStart + 91s) ==
        "circuit breaker is open: 3 calls failed within 1m; next probe in 4s; "
        "last failure: connection refused");
}

TEST_CASE("breaker lets a bounded number of probes through and closes when they succeed") {
  Breaker breaker(Plain());
  Trip(breaker, kStart);
  CHECK_FALSE(breaker.Allow(kStart + 4999ms));
  const TimePoint later = kStart + 5s;
  std::vector<Breaker::Permit> probes;
  for (int i = 0; i < 3; ++i) probes.push_back(breaker.Allow(later));
  for (const Breaker::Permit& probe : probes) CHECK(probe.IsProbe());
  CHECK_FALSE(breaker.Allow(later));
  CHECK(breaker.Now() == State::kHalfOpen);
  breaker.Record(std::move(probes[0]), Outcome::kFailure, 1ms, later);
  breaker.Record(std::move(probes[1]), Outcome::kSuccess, 1ms, later);
  CHECK(breaker.Now() == State::kHalfOpen);
  breaker.Record(std::move(probes[2]), Outcome::kSuccess, 1ms, later);
  CHECK(breaker.Now() == State::kClosed);
  CHECK(breaker.Snapshot(later).closed == 1);
  CHECK_FALSE(breaker.Allow(later).IsProbe());
}

TEST_CASE("breaker decides as soon as the probes still out cannot change it") {
  Breaker breaker(Plain());
  Trip(breaker, kStart);
  TimePoint now = kStart + 5s;
  std::vector<Breaker::Permit> probes;
  for (int i = 0; i < 3; ++i) probes.push_back(breaker.Allow(now));
  CHECK_FALSE(breaker.Record(std::move(probes[2]), Outcome::kFailure, 1ms, now));
  CHECK(breaker.Record(std::move(probes[0]), Outcome::kFailure, 1ms, now));
  CHECK(breaker.Now() == State::kOpen);
  // The third comes too late to have a say.
  breaker.Record(std::move(probes[1]), Outcome::kSuccess, 1ms, now);
  CHECK(breaker.Now() == State::kOpen);
  CHECK(breaker.Snapshot(now).late == 1);
  now += 5s;
  for (int i = 0; i < 2; ++i) Call(breaker, Outcome::kSuccess, now);
  CHECK(breaker.Now() == State::kClosed);
}

TEST_CASE("breaker is not wedged by probes that never report") {
  Breaker breaker(Plain());
  Trip(breaker, kStart);
  TimePoint now = kStart + 5s;
  std::vector<Breaker::Permit> lost;
  for (int i = 0; i < 3; ++i) lost.push_back(breaker.Allow(now));
  CHECK_FALSE(breaker.Allow(now + 9999ms));
  now += 10s;  // their deadline: they have failed
  CHECK_FALSE(breaker.Allow(now));
  CHECK(breaker.Now() == State::kOpen);
  CHECK(breaker.Snapshot(now).probes_lost == 3);
  CHECK(breaker.WhyOpen(now).find("did not report") != std::string::npos);
  now += 5s;
  for (int i = 0; i < 2; ++i) Call(breaker, Outcome::kSuccess, now);
  CHECK(breaker.Now() == State::kClosed);
  // What they say now is of another epoch.
  for (int i = 0; i < 3; ++i)
    breaker.Record(std::move(lost[static_cast<std::size_t>(i)]), Outcome::kFailure, 1ms, now);
  CHECK(breaker.Snapshot(now).late == 3);
  CHECK(breaker.Snapshot(now).window_calls == 0);
}

TEST_CASE("breaker counts a probe that reports after its deadline as failed") {
  BreakerOptions options = Plain();
  options.probes = 1;
  Breaker breaker(options);
  Trip(breaker, kStart);
  Breaker::Permit probe = breaker.Allow(kStart + 5s);
  CHECK(breaker.Record(std::move(probe), Outcome::kSuccess, 11s, kStart + 16s));
  CHECK(breaker.Now() == State::kOpen);
}

TEST_CASE("breaker takes the place of a dropped or ignored probe back") {
  BreakerOptions options = Plain();
  options.probes = 1;
  Breaker breaker(options);
  Trip(breaker, kStart);
  const TimePoint now = kStart + 5s;
  for (int i = 0; i < 3; ++i) CHECK(breaker.Allow(now).IsProbe());
  Call(breaker, Outcome::kIgnored, now);
  CHECK(breaker.Now() == State::kHalfOpen);
  {
    Breaker::Permit one = breaker.Allow(now);
    CHECK_FALSE(breaker.Allow(now));
    Breaker::Permit two = std::move(one);
    two = Breaker::Permit();  // assignment gives it back as well
    CHECK(breaker.Allow(now));
  }
  Call(breaker, Outcome::kSuccess, now);
  CHECK(breaker.Now() == State::kClosed);
}

TEST_CASE("breaker ignores results of calls begun before the last change of state") {
  Breaker breaker(Plain());
  std::vector<Breaker::Permit> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(breaker.Allow(kStart));
  Trip(breaker, kStart);
  for (int i = 0; i < 10; ++i)
    breaker.Record(std::move(slow[static_cast<std::size_t>(i)]), Outcome::kFailure, 1ms, kStart);
  const TimePoint now = kStart + 5s;
  for (int i = 0; i < 2; ++i) Call(breaker, Outcome::kSuccess, now);
  REQUIRE(breaker.Now() == State::kClosed);
  for (int i = 10; i < 20; ++i)
    breaker.Record(std::move(slow[static_cast<std::size_t>(i)]), Outcome::kFailure, 1ms, now);
  const BreakerSnapshot snapshot = breaker.Snapshot(now);
  CHECK(snapshot.state == State::kClosed);
  CHECK(snapshot.late == 20);
  CHECK(snapshot.window_calls == 0);
  CHECK(snapshot.opened == 1);
}

TEST_CASE("breaker stays open for longer each time in a row, within its jitter") {
  BreakerOptions options = Plain();
  options.open_for = 1s;
  options.open_most = 8s;
  options.open_growth = 2;
  options.open_jitter = 0.25;
  options.probes = 1;
  Breaker breaker(options);
  TimePoint now = kStart;
  Trip(breaker, now);
  bool varied = false;
  for (const Duration plain : {1s, 2s, 4s, 8s, 8s, 8s}) {
    const Duration left = breaker.Snapshot(now).open_left;
    CHECK(left >= plain * 3 / 4);
    CHECK(left <= plain * 5 / 4);
    varied = varied || left != plain;
    now += left;
    Call(breaker, Outcome::kFailure, now);
  }
  CHECK(varied);
  CHECK(breaker.Snapshot(now).opened_in_row == 7);
  // Closed for a moment is not recovered; closed for as long as it was open is.
  now += breaker.Snapshot(now).open_left;
  Call(breaker, Outcome::kSuccess, now);
  Trip(breaker, now);
  CHECK(breaker.Snapshot(now).opened_in_row == 8);
  now += breaker.Snapshot(now).open_left;
  Call(breaker, Outcome::kSuccess, now);
  now += 10s;
  Trip(breaker, now);
  CHECK(breaker.Snapshot(now).opened_in_row == 1);
}

TEST_CASE("breaker obeys force-open, disable and reset") {
  Breaker breaker(Plain());
  breaker.ForceOpen(kStart);
  CHECK_FALSE(breaker.Allow(kStart + 24h));
  CHECK(breaker.WhyOpen(kStart) == "circuit breaker is forced open");
  breaker.Disable(kStart);
  for (int i = 0; i < 100; ++i) CHECK_FALSE(Call(breaker, Outcome::kFailure, kStart));
  CHECK(breaker.Now() == State::kDisabled);
  CHECK(breaker.Snapshot(kStart).calls == 0);
  breaker.Reset(kStart);
  CHECK(breaker.Now() == State::kClosed);
  CHECK(breaker.WhyOpen(kStart).empty());
}

TEST_CASE("breaker refuses options that cannot work") {
  const auto broken = [](auto change) {
    BreakerOptions options;
    change(options);
    CHECK_THROWS_AS(Breaker{options}, ConfigError);
  };
  broken([](BreakerOptions& o) { o.calls = 0; });
  broken([](BreakerOptions& o) { o.min_calls = o.calls + 1; });
  broken([](BreakerOptions& o) { o.failure_rate = 1.5; });
  broken([](BreakerOptions& o) { o.slow_rate = 0; });
  broken([](BreakerOptions& o) { o.probes = 0; });
  broken([](BreakerOptions& o) { o.open_most = o.open_for / 2; });
  broken([](BreakerOptions& o) { o.open_jitter = 1; });
  broken([](BreakerOptions& o) { o.open_growth = 0.5; });
}

TEST_CASE("breaker cuts a long failure text between characters") {
  Breaker breaker(Plain());
  std::string text(127, 'x');
  text += "\u00e9\u00e9";
  for (int i = 0; i < 4; ++i) Call(breaker, Outcome::kFailure, kStart, 1ms, text);
  const std::string why = breaker.WhyOpen(kStart);
  CHECK(why.substr(why.size() - 5) == "xxxxx");
}

TEST_CASE("breaker loses and doubles no result between threads") {
  BreakerOptions options;
  options.calls = 50;
  options.min_calls = 50;
  options.failure_rate = 1;  // never reached: each thread has successes
  Breaker breaker(options);
  constexpr int kThreads = 4, kCalls = 20'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&breaker] {
      for (int i = 0; i < kCalls; ++i) {
        Breaker::Permit permit = breaker.Allow(kStart);
        breaker.Record(std::move(permit), i % 4 == 0 ? Outcome::kFailure : Outcome::kSuccess, 1ms,
                       kStart, i % 64 == 0 ? "sometimes with a text" : "");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const BreakerSnapshot snapshot = breaker.Snapshot(kStart);
  CHECK(snapshot.calls == kThreads * kCalls);
  CHECK(snapshot.failed == kThreads * kCalls / 4);
  CHECK(snapshot.window_calls >= 45);
  CHECK(snapshot.window_calls <= 50 + kThreads);
}

TEST_CASE("breaker opens once per period however many threads see it, and always recovers") {
  BreakerOptions options = Plain();
  options.open_for = 1us;
  options.open_most = 1us;
  options.probe_deadline = 20us;
  Breaker breaker(options);
  std::atomic<std::int64_t> clock{0};
  std::atomic<std::uint64_t> openings{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(t + 1);
      for (int i = 0; i < 20'000; ++i) {
        const TimePoint now = kStart + Duration(clock.fetch_add(100));
        Breaker::Permit permit = breaker.Allow(now);
        if (!permit || random.Int(0, 9) == 0) continue;  // some are lost
        const Outcome outcome = random.Int(0, 1) == 0 ? Outcome::kFailure : Outcome::kSuccess;
        if (breaker.Record(std::move(permit), outcome, 1ms, now)) openings.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  TimePoint now = kStart + Duration(clock.load());
  const BreakerSnapshot snapshot = breaker.Snapshot(now);
  // The rest was opened by those who found lost probes when they asked.
  CHECK(snapshot.opened >= openings.load());
  CHECK(snapshot.opened <= openings.load() + snapshot.probes_lost);
  CHECK(snapshot.opened > 100);
  for (int i = 0; i < 20 && breaker.Now() != State::kClosed; ++i) {
    now += 1s;
    Breaker::Permit permit = breaker.Allow(now);
    if (permit) breaker.Record(std::move(permit), Outcome::kSuccess, 1ms, now);
  }
  CHECK(breaker.Now() == State::kClosed);
}

}  // namespace
}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/error.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/forked_acquire.hpp"
#include "libperf/bench/pool_verbs.hpp"
#include "libperf/bench/stub_link.hpp"
#include "libperf/bench/stub_target.hpp"

namespace perf::bench {
namespace {

using pool::BlockingPool;
using pool::Cause;

constexpr Duration kShort = std::chrono::milliseconds(50);
constexpr Duration kLong = std::chrono::seconds(10);
constexpr double kAtOnceMs = 5;

struct Seen {
  Cause cause = Cause::kNone;
  double ms = 0;
  std::string text;
};

Deadline In(Duration length) { return Deadline::After(Clock::now(), length); }

BlockingPool::Options Settings(const char* name) {
  BlockingPool::Options settings;
  settings.name = name;
  settings.limits.max = 1;
  return settings;
}

Seen Fail(BlockingPool& pool, Duration patience = kShort) {
  const TimePoint before = Clock::now();
  const BlockingPool::Lent lent = pool.Acquire(Deadline::After(before, patience));
  const double ms = ToMs(Clock::now() - before);
  return {lent.refusal.cause, ms, lent.refusal ? pool::Text(lent.refusal) : "a connection"};
}

Seen Held() {
  StubTarget target;
  BlockingPool pool(Settings("held"), target.Dialler());
  const auto held = pool.Acquire(In(kLong));
  return Fail(pool);
}

Seen Connecting() {
  StubTarget target(kLong);
  BlockingPool pool(Settings("connecting"), target.Dialler());
  Seen seen = Fail(pool);
  target.Hurry();
  return seen;
}

Seen Down() {
  StubTarget target;
  target.Refuse("connection refused");
  BlockingPool::Options settings = Settings("down");
  settings.limits.backoff_first = settings.limits.backoff_most = kLong;
  BlockingPool pool(settings, target.Dialler());
  Fail(pool, kLong);  // finds out
  return Fail(pool, kLong);
}

Task<void> Trip(backends::EventLoop& loop, backends::ConnectionPool& pool, Seen& seen) {
  auto first = co_await pool.Borrow(Clock::now());
  first.loan.MarkFailed();
  first.loan.Return();
  const TimePoint before = Clock::now();
  const auto second = co_await pool.Borrow(before);
  seen.ms = ToMs(Clock::now() - before);
  seen.text = second.why ? pool::Text(*second.why) : "a connection";
  if (second.why) seen.cause = second.why->cause;
  loop.Stop();
}

/// On a loop: there the pool has a circuit breaker.
Seen BreakerOpen() {
  backends::EventLoop loop;
  pool::BreakerOptions rules;
  rules.failures = 1;
  rules.min_calls = 1;
  rules.open_for = kLong;
  backends::ConnectionPool::Options settings;
  settings.name = "breaker";
  settings.limits.max = 1;
  settings.breaker = std::make_shared<pool::Breaker>(rules);
  Seen seen;
  backends::ConnectionPool pool(loop, settings,
                                [&](Deadline) { return DialStub(loop, Duration::zero()); });
  loop.Spawn(Trip(loop, pool, seen));
  loop.Run();
  loop.CancelAll();
  loop.Drain(In(kLong));
  pool.CloseIdle();
  return seen;
}

Seen Paused() {
  StubTarget target;
  BlockingPool pool(Settings("paused"), target.Dialler());
  pool.Pause(In(kLong), true);
  Seen seen = Fail(pool, kLong);
  pool.Resume();
  return seen;
}

Seen Closed() {
  StubTarget target;
  BlockingPool pool(Settings("closed"), target.Dialler());
  pool.Drain(In(kLong));
  return Fail(pool, kLong);
}

Seen QueueFull() {
  StubTarget target;
  BlockingPool::Options settings = Settings("queue_full");
  settings.limits.max_waiters = 1;
  BlockingPool pool(settings, target.Dialler());
  auto held = pool.Acquire(In(kLong));
  std::jthread waiter([&] { pool.Acquire(In(kLong)).loan.Return(); });
  while (pool.Core().Now().waiting == 0) std::this_thread::yield();
  Seen seen = Fail(pool, kLong);
  held.loan.Return();
  return seen;
}

Seen Forked() {
  StubTarget target;
  BlockingPool pool(Settings("forked"), target.Dialler());
  pool.Acquire(In(kLong)).loan.Return();
  const ForkedAcquire child = AcquireInChild(pool, kLong);
  return {child.cause, child.ms, std::string(pool::Name(child.cause))};
}

struct Case {
  std::string name;
  Cause expected;
  bool at_once;
  std::function<Seen()> provoke;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases{
      {"held", Cause::kHeld, false, Held},
      {"connecting", Cause::kConnecting, false, Connecting},
      {"down", Cause::kDown, true, Down},
      {"breaker", Cause::kBreakerOpen, true, BreakerOpen},
      {"paused", Cause::kPaused, true, Paused},
      {"closed", Cause::kClosed, true, Closed},
      {"queue_full", Cause::kQueueFull, true, QueueFull},
      {"forked", Cause::kForked, true, Forked},
  };
  return cases;
}

}  // namespace

const std::vector<std::string>& ExhaustCauses() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Case& one : Cases()) all.push_back(one.name);
    return all;
  }();
  return names;
}

load::Result PoolExhaust(const ExhaustOptions& options, const Context& context) {
  Findings findings("poolbench", "exhaust", context.seed);
  const std::vector<std::string>& wanted =
      options.causes.empty() ? ExhaustCauses() : options.causes;
  for (const std::string& name : wanted) {
    const auto found = std::find_if(Cases().begin(), Cases().end(),
                                    [&](const Case& one) { return one.name == name; });
    if (found == Cases().end()) throw UsageError(fmt::format("there is no cause '{}'", name));
    context.Phase(name);
    const Seen seen = found->provoke();
    Json row = Json::MakeObject();
    row["cause"] = name;
    row["reported"] = std::string(pool::Name(seen.cause));
    row["ms"] = seen.ms;
    row["text"] = seen.text;
    findings.AddRow(std::move(row));
    findings.AtLeast(name + ": reported as such", seen.cause == found->expected, 1);
    if (found->at_once) findings.AtMost(name + ": known after", seen.ms, kAtOnceMs, "ms");
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
// What a ConnectionPool does beyond lending: pause, drain, epochs, resets, pings, leaks, breaker.
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "tests/backends/watchdog.hpp"

using namespace perf;
using namespace perf::backends;
using namespace std::chrono_literals;
using test::Watchdog;

namespace {

struct CaredFor final : Connection {
  explicit CaredFor(int& the_living) : living(the_living) { ++living; }
  ~CaredFor() override { --living; }
  bool Reusable() const noexcept override { return reusable; }
  bool NeedsReset() const noexcept override { return dirty; }
  bool Alive() noexcept override { return true; }
  int& living;
  bool reusable = true;
  bool dirty = false;
};

struct Target {
  EventLoop loop;
  bool up = true;
  int dials = 0;
  int living = 0;
  Duration takes = 0ms;

  Task<Dialled<Connection>> Dial() {
    ++dials;
    if (takes > 0ms) co_await loop.SleepUntil(Clock::now() + takes);
    Dialled<Connection> dialled;
    if (up) {
      dialled.connection = std::make_unique<CaredFor>(living);
    } else {
      dialled.failure = Failure{ErrorKind::kConnect, "connection refused"};
    }
    co_return dialled;
  }
  ConnectionPool::Dial Dialler() {
    return [this](Deadline) { return Dial(); };
  }
  void Run(Task<void> task) {
    Watchdog watchdog(loop);
    const auto guarded = [](EventLoop& on, Task<void> body) -> Task<void> {
      co_await std::move(body);
      on.Stop();
    };
    loop.Spawn(guarded(loop, std::move(task)));
    loop.Run();
    CHECK(loop.Drain(Deadline(Clock::now() + 20s)));
    CHECK(!watchdog.Bitten());
  }
};

ConnectionPool::Options Named(pool::Limits limits) {
  ConnectionPool::Options options;
  options.name = "db";
  options.limits = limits;
  return options;
}

Task<void> ReturnLater(EventLoop& loop, Loan loan, Duration after) {
  co_await loop.SleepUntil(Clock::now() + after);
  loan.Return();
}

}  // namespace

TEST_CASE("connection pool: pause waits for the last loan, and resume serves those who waited") {
  Target target;
  ConnectionPool tested(target.loop, Named({.max = 2}), target.Dialler());
  target.Run([](Target& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    REQUIRE(held.loan);
    const bool early = co_await pool.Pause(Deadline(Clock::now() + 5ms));
    CHECK(!early);
    t.loop.Spawn(ReturnLater(t.loop, std::move(held.loan), 5ms));
    const bool quiet = co_await pool.Pause(Deadline(Clock::now() + 20s));
    CHECK(quiet);
    CHECK(pool.Core().Now().in_use == 0);
    const auto resume = [](EventLoop& loop, ConnectionPool& paused) -> Task<void> {
      while (paused.Core().Now().waiting == 0) co_await loop.SleepUntil(Clock::now() + 1ms);
      paused.Resume();
    };
    t.loop.Spawn(resume(t.loop, pool));
    ConnectionPool::Acquired after = co_await pool.Borrow(Clock::now());
    CHECK(after.loan);
    after.loan.Return();
    const bool again = co_await pool.Pause(Deadline(Clock::now() + 20s), true);
    CHECK(again);
    ConnectionPool::Acquired refused = co_await pool.Borrow(Clock::now());
    REQUIRE(refused.why);
    CHECK(refused.why->cause == pool::Cause::kPaused);
  }(target, tested));
}

TEST_CASE("connection pool: drain lends nothing more, and ends with the last loan") {
  Target target;
  ConnectionPool tested(target.loop, Named({.max = 2}), target.Dialler());
  target.Run([](Target& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    t.loop.Spawn(ReturnLater(t.loop, std::move(held.loan), 5ms));
    const bool drained = co_await pool.Drain(Deadline(Clock::now() + 20s));
    CHECK(drained);
    CHECK(t.living == 0);
    ConnectionPool::Acquired refused = co_await pool.Borrow(Clock::now());
    REQUIRE(refused.why);
    CHECK(refused.why->cause == pool::Cause::kClosed);
    CHECK(t.dials == 1);
  }(target, tested));
}

TEST_CASE(
    "connection pool: after an invalidation the old connections go, and min is dialled anew") {
  Target target;
  ConnectionPool tested(target.loop, Named({.min = 2, .max = 3}), target.Dialler());
  target.Run([](Target& t, ConnectionPool& pool) -> Task<void> {
    pool.Prefill();
    while (pool.Core().Now().idle < 2) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    pool.Invalidate();
    held.loan.Return();
    while (pool.Core().Now().idle < 2) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    CHECK(t.living == 2);
    CHECK(t.dials == 4);
    CHECK(pool.Core().Totals().invalidated == 2);
  }(target, tested));
}

TEST_CASE("connection pool: one left in a transaction is reset before anybody else has it") {
  Target target;
  int resets = 0;
  ConnectionPool::Options options = Named({.max = 1});
  options.reset = [&](Connection& connection, Deadline) -> Task<bool> {
    co_await target.loop.SleepUntil(Clock::now() + 2ms);
    ++resets;
    static_cast<CaredFor&>(connection).dirty = false;
    co_return resets == 1;
  };
  ConnectionPool tested(target.loop, options, target.Dialler());
  target.Run([](Target& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired first = co_await pool.Borrow(Clock::now());
    first.loan.As<CaredFor>().dirty = true;
    first.loan.Return();
    CHECK(pool.Core().Now().busy == 1);
    ConnectionPool::Acquired second = co_await pool.Borrow(Clock::now());
    REQUIRE(second.loan);
    CHECK(!second.loan.As<CaredFor>().dirty);
    second.loan.As<CaredFor>().dirty = true;
    second.loan.Return();
    ConnectionPool::Acquired third = co_await pool.Borrow(Clock::now());
    REQUIRE(third.loan);
    CHECK(!third.loan.As<CaredFor>().dirty);
    CHECK(t.dials == 2);  // the second reset failed
  }(target, tested));
  CHECK(resets == 2);
}

TEST_CASE(
    "connection pool: a dial, reset or ping that throws costs the connection, not its place") {
  Target target;
  int dials = 0, pings = 0;
  ConnectionPool::Options options = Named({.max = 1, .keepalive = 10ms, .backoff_first = 1ms});
  options.reset = [&](Connection&, Deadline) -> Task<bool> {
    co_await target.loop.SleepUntil(Clock::now() + 1ms);
    throw std::runtime_error("rollback: broken pipe");
  };
  options.ping = [&](Connection&, Deadline) -> Task<bool> {
    if (++pings == 1) throw std::runtime_error("ping: broken pipe");
    co_return true;
  };
  const auto dial = [&](Deadline) -> Task<Dialled<Connection>> {
    co_await target.loop.SleepUntil(Clock::now() + 1ms);
    if (++dials == 1) throw std::runtime_error("out of descriptors");
    Dialled<Connection> dialled = co_await target.Dial();
    co_return dialled;
  };
  ConnectionPool tested(target.loop, options, dial);
  target.Run([](Target& t, ConnectionPool& pool, int& pinged) -> Task<void> {
    ConnectionPool::Acquired first = co_await pool.Borrow(Clock::now());
    CHECK(first.failure.text.find("out of descriptors") != std::string::npos);
    co_await t.loop.SleepUntil(pool.RetryAt());
    ConnectionPool::Acquired second = co_await pool.Borrow(Clock::now());
    REQUIRE(second.loan);
    second.loan.As<CaredFor>().dirty = true;
    second.loan.Return();
    ConnectionPool::Acquired third = co_await pool.Borrow(Clock::now());
    REQUIRE(third.loan);
    CHECK(!third.loan.As<CaredFor>().dirty);
    third.loan.Return();
    while (pinged < 1) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    ConnectionPool::Acquired fourth = co_await pool.Borrow(Clock::now());
    CHECK(fourth.loan);
    CHECK(pool.Core().Totals().discarded == 2);
  }(target, tested, pings));
}

TEST_CASE("connection pool: idle ones are pinged by the pool, and the dead replaced") {
  Target target;
  int pings = 0;
  ConnectionPool::Options options = Named({.min = 1, .max = 1, .keepalive = 20ms});
  options.ping = [&](Connection&, Deadline) -> Task<bool> {
    const bool answered = ++pings != 2;
    co_return answered;
  };
  ConnectionPool tested(target.loop, options, target.Dialler());
  target.Run([](Target& t, ConnectionPool& pool, int& pinged) -> Task<void> {
    pool.Prefill();
    while (pinged < 3) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    CHECK(t.dials == 2);
    CHECK(pool.Core().Totals().discarded == 1);
  }(target, tested, pings));
}

TEST_CASE("connection pool: a leak is told of once, with the line of its borrower") {
  Target target;
  std::vector<pool::Holder> leaks;
  ConnectionPool::Options options = Named({.max = 1, .leak_after = 20ms});
  options.on_leak = [&](const pool::Holder& holder) { leaks.push_back(holder); };
  ConnectionPool tested(target.loop, options, target.Dialler());
  std::uint32_t line = 0;
  target.Run([](Target& t, ConnectionPool& pool, std::vector<pool::Holder>& seen,
                std::uint32_t& borrowed) -> Task<void> {
    borrowed = std::source_location::current().line() + 1;
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    while (seen.empty()) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    co_await t.loop.SleepUntil(Clock::now() + 50ms);
  }(target, tested, leaks, line));
  REQUIRE(leaks.size() == 1);
  CHECK(leaks[0].where.line() == line);
  CHECK(leaks[0].age >= 20ms);
}

TEST_CASE("connection pool: with its breaker open it refuses at once, and its loans report to it") {
  Target target;
  pool::BreakerOptions rules;
  rules.min_calls = 2;
  rules.calls = 10;
  const auto breaker = std::make_shared<pool::Breaker>(rules);
  ConnectionPool::Options options = Named({.max = 2});
  options.breaker = breaker;
  ConnectionPool tested(target.loop, options, target.Dialler());
  target.Run([](pool::Breaker& told, ConnectionPool& pool) -> Task<void> {
    for (int i = 0; i < 2; ++i) {
      ConnectionPool::Acquired acquired = co_await pool.Borrow(Clock::now());
      REQUIRE(acquired.loan);
      acquired.loan.MarkFailed();
    }
    CHECK(told.Now() == pool::Breaker::State::kOpen);
    ConnectionPool::Acquired refused = co_await pool.Borrow(Clock::now());
    CHECK(refused.failure.kind == ErrorKind::kConnect);
    REQUIRE(refused.why);
    CHECK(refused.why->cause == pool::Cause::kBreakerOpen);
  }(*breaker, tested));
}

TEST_CASE("connection pool: a loan keeps what it needs of its pool, and who waits is told") {
  Target target;
  pool::BreakerOptions rules;
  rules.failures = 1;
  rules.min_calls = 1;
  ConnectionPool::Options options = Named({.min = 2, .max = 2});
  options.breaker = std::make_shared<pool::Breaker>(rules);
  const std::weak_ptr<pool::Breaker> breaker = options.breaker;
  auto tested = std::make_unique<ConnectionPool>(target.loop, std::move(options), target.Dialler());
  target.Run([](Target& t, std::unique_ptr<ConnectionPool>& pool,
                const std::weak_ptr<pool::Breaker>& rule) -> Task<void> {
    pool->Prefill();
    ConnectionPool::Acquired first = co_await pool->Borrow(Clock::now());
    ConnectionPool::Acquired second = co_await pool->Borrow(Clock::now());
    REQUIRE(first.loan);
    REQUIRE(second.loan);
    std::optional<pool::Cause> told;
    t.loop.Spawn([](ConnectionPool& from, std::optional<pool::Cause>& cause) -> Task<void> {
      ConnectionPool::Acquired third = co_await from.Borrow(Clock::now());
      CHECK(!third.loan);
      if (third.why) cause = third.why->cause;
    }(*pool, told));
    while (pool->Core().Now().waiting == 0) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    pool.reset();
    CHECK(t.living == 2);  // both are still lent
    CHECK(first.loan.As<CaredFor>().reusable);
    while (!told) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    CHECK(*told == pool::Cause::kClosed);
    first.loan.Return();
    CHECK(t.living == 1);
    CHECK(!rule.expired());
    Loan moved = std::move(second.loan);
    moved.MarkFailed();
    moved = Loan();
    CHECK(t.living == 0);
    CHECK(rule.expired());  // nothing of the pool is left
    CHECK(t.dials == 2);
  }(target, tested, breaker));
}

TEST_CASE("connection pool: a dial under way outlives its pool and comes to nothing") {
  Target target;
  target.takes = 5ms;
  auto tested =
      std::make_unique<ConnectionPool>(target.loop, Named({.min = 1, .max = 1}), target.Dialler());
  target.Run([](Target& t, std::unique_ptr<ConnectionPool>& pool) -> Task<void> {
    pool->Prefill();
    while (t.dials == 0) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    pool.reset();
  }(target, tested));
  CHECK(target.dials == 1);
  CHECK(target.living == 0);
}

TEST_CASE("connection pool: a borrower that is gone before it resumes passes its connection on") {
  Target target;
  ConnectionPool tested(target.loop, Named({.max = 1}), target.Dialler());
  target.Run([](Target& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    {
      // An awaiter by hand: it waits, is given the connection, and is destroyed before the turn in
      // which it would have run.
      ConnectionPool::Acquire gone = pool.Borrow(Clock::now());
      CHECK(!gone.await_ready());
      CHECK(gone.await_suspend(std::noop_coroutine()));
      held.loan.Return();
      CHECK(pool.Core().Now().in_use == 1);
    }
    CHECK(pool.Core().Now().idle == 1);
    CHECK(pool.Core().Totals().forwarded == 1);
    co_await t.loop.SleepUntil(Clock::now() + 1ms);
    ConnectionPool::Acquired next = co_await pool.Borrow(Clock::now());
    CHECK(next.loan);
  }(target, tested));
}

namespace {

Task<void> QueryOnce(Target& target, ConnectionPool& pool, Duration query, int& done) {
  ConnectionPool::Acquired acquired = co_await pool.Borrow(Clock::now());
  REQUIRE(acquired.loan);
  co_await target.loop.SleepUntil(Clock::now() + query);
  acquired.loan.Return();
  ++done;
}

}  // namespace

TEST_CASE("connection pool: a burst of short queries dials hardly any, one of long ones all") {
  for (const bool is_long : {false, true}) {
    Target target;
    target.takes = 150ms;
    ConnectionPool tested(target.loop, Named({.min = 5, .max = 50, .max_dials = 50}),
                          target.Dialler());
    target.Run([](Target& t, ConnectionPool& pool, bool slow) -> Task<void> {
      pool.Prefill();
      while (pool.Core().Now().idle < 5) co_await t.loop.SleepUntil(Clock::now() + 1ms);
      int done = 0;
      for (int i = 0; i < 50; ++i) t.loop.Spawn(QueryOnce(t, pool, slow ? 1000ms : 1ms, done));
      while (done < 50) co_await t.loop.SleepUntil(Clock::now() + 1ms);
      // Generous: a machine that stands still for a moment may start one or the other dial.
      const int most = slow ? 50 : 25;
      CHECK(t.dials <= most);
      if (slow) CHECK(t.dials == 50);
    }(target, tested, is_long));
  }
}

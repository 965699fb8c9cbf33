// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/connection_pool.hpp"

#include <doctest/doctest.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/random.hpp"
#include "tests/backends/watchdog.hpp"

using namespace perf;
using namespace perf::backends;
using namespace std::chrono_literals;
using test::Watchdog;

namespace {

struct FakeConnection final : Connection {
  explicit FakeConnection(int& the_living) : living(the_living) { ++living; }
  ~FakeConnection() override { --living; }
  bool Reusable() const noexcept override { return reusable; }
  bool Alive() noexcept override { return true; }
  int& living;
  bool reusable = true;
};

/// A target that is not there: dialling takes a while on the loop, and succeeds or not.
struct FakeTarget {
  EventLoop loop;
  bool up = true;
  Duration takes = 1ms;
  int dials = 0;
  int living = 0;
  int most_living = 0;
  std::vector<Duration> allowed;  // what each dial was given

  Task<Dialled<Connection>> Dial(Deadline deadline) {
    ++dials;
    allowed.push_back(deadline.Remaining(Clock::now()));
    if (takes > Duration::zero()) {
      const TimePoint at = Saturated(Clock::now(), takes);
      co_await loop.SleepUntil(at);
    }
    Dialled<Connection> dialled;
    if (up) {
      dialled.connection = std::make_unique<FakeConnection>(living);
      most_living = std::max(most_living, living);
    } else {
      dialled.failure = Failure{ErrorKind::kConnect, "connection refused"};
    }
    co_return dialled;
  }
  ConnectionPool::Dial Dialler() {
    return [this](Deadline deadline) { return Dial(deadline); };
  }
};

ConnectionPool::Options Named(pool::Limits limits) {
  ConnectionPool::Options options;
  options.name = "db";
  options.limits = limits;
  return options;
}

/// Runs one task to its end, with everything that it leaves behind.
void RunToEnd(FakeTarget& target, Task<void> task) {
  Watchdog watchdog(target.loop);
  const auto guarded = [](EventLoop& loop, Task<void> body) -> Task<void> {
    co_await std::move(body);
    loop.Stop();
  };
  target.loop.Spawn(guarded(target.loop, std::move(task)));
  target.loop.Run();
  CHECK(target.loop.Drain(Deadline(Clock::now() + 20s)));
  CHECK(!watchdog.Bitten());
}

}  // namespace

TEST_CASE("connection pool: an idle one is given at once and comes back by itself") {
  FakeTarget target;
  ConnectionPool tested(target.loop, Named({.max = 2}), target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    const TimePoint before = Clock::now();
    {
      ConnectionPool::Acquired first = co_await pool.Borrow(before);
      REQUIRE(first.loan);
      CHECK(!first.failure);
      CHECK(first.at >= before + t.takes);
      CHECK(pool.Core().Now().in_use == 1);
    }
    CHECK(pool.Core().Now().idle == 1);
    const TimePoint now = Clock::now();
    ConnectionPool::Acquired again = co_await pool.Borrow(now);
    REQUIRE(again.loan);
    CHECK(again.at == now);  // nobody had to wait
    CHECK(t.dials == 1);
    Loan moved = std::move(again.loan);
    CHECK(!again.loan);
    moved = Loan();  // returns what it held
    CHECK(pool.Core().Now().idle == 1);
  }(target, tested));
  tested.CloseIdle();
  CHECK(target.living == 0);
}

TEST_CASE("connection pool: the acquire timeout says what the pool was busy with") {
  FakeTarget target;
  ConnectionPool::Options options = Named({.max = 1});
  options.acquire_timeout = 20ms;
  ConnectionPool tested(target.loop, options, target.Dialler());
  RunToEnd(target, [](ConnectionPool& pool) -> Task<void> {
    const std::uint32_t borrowed = std::source_location::current().line() + 1;
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    REQUIRE(held.loan);
    const TimePoint now = Clock::now();
    ConnectionPool::Acquired none = co_await pool.Borrow(now);
    CHECK(!none.loan);
    CHECK(none.at >= now + 20ms);
    CHECK(none.failure.kind == ErrorKind::kTimeout);
    CHECK(none.failure.text == pool::Text(*none.why));
    CHECK(none.why->cause == pool::Cause::kHeld);
    CHECK(none.why->counts.in_use == 1);
    CHECK(none.why->counts.waiting == 1);
    CHECK(none.why->oldest.where.line() == borrowed);
    CHECK(none.why->waited >= 20ms);
    CHECK(pool.Core().Now().waiting == 0);
  }(tested));
}

TEST_CASE("connection pool: while the target is down borrowers fail at once, without a dial") {
  FakeTarget target;
  target.up = false;
  ConnectionPool::Options options = Named({.max = 4, .backoff_first = 1h, .backoff_most = 1h});
  ConnectionPool tested(target.loop, options, target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    for (int i = 0; i < 5; ++i) {
      ConnectionPool::Acquired none = co_await pool.Borrow(Clock::now());
      CHECK(!none.loan);
      CHECK(none.failure.kind == ErrorKind::kConnect);
      CHECK(none.why->cause == pool::Cause::kDown);
      CHECK(none.why->connect_error == "connection refused");
      CHECK(none.failure.text.ends_with("last connect error: connection refused"));
    }
    CHECK(t.dials == 1);
  }(target, tested));
}

TEST_CASE("connection pool: a dial that fails inside of the borrow is no trap") {
  FakeTarget target;
  target.up = false;
  target.takes = 0ms;
  ConnectionPool tested(target.loop, Named({.max = 4, .backoff_first = 1ms, .backoff_most = 1ms}),
                        target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired none = co_await pool.Borrow(Clock::now());
    CHECK(none.failure.kind == ErrorKind::kConnect);
    t.up = true;
    co_await t.loop.SleepUntil(pool.RetryAt());
    ConnectionPool::Acquired some = co_await pool.Borrow(Clock::now());
    CHECK(some.loan);
  }(target, tested));
}

TEST_CASE("connection pool: who waits behind a failed dial is served by a later one") {
  FakeTarget target;
  ConnectionPool::Options options = Named({.max = 2, .backoff_first = 5ms, .backoff_most = 5ms});
  options.acquire_timeout = 20s;
  ConnectionPool tested(target.loop, options, target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    REQUIRE(held.loan);
    t.up = false;
    const auto repair = [](FakeTarget& fake) -> Task<void> {
      while (fake.dials < 3) co_await fake.loop.SleepUntil(Clock::now() + 1ms);
      fake.up = true;
    };
    t.loop.Spawn(repair(t));
    ConnectionPool::Acquired late = co_await pool.Borrow(Clock::now());
    CHECK(late.loan);
    CHECK(held.loan);
    CHECK(t.dials >= 3);
    CHECK(pool.Core().Totals().dial_failures >= 1);
  }(target, tested));
}

TEST_CASE("connection pool: a dial has the pool's own deadline, and outlives its borrower") {
  FakeTarget target;
  target.takes = 40ms;
  ConnectionPool::Options options = Named({.max = 1});
  options.acquire_timeout = 1ms;
  options.connect_timeout = 1h;
  ConnectionPool tested(target.loop, options, target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired none = co_await pool.Borrow(Clock::now());
    CHECK(none.failure.kind == ErrorKind::kTimeout);
    REQUIRE(t.allowed.size() == 1);
    CHECK(t.allowed[0] > 30min);
    CHECK(pool.Core().Now().dialling == 1);
    while (pool.Core().Now().idle == 0) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    ConnectionPool::Acquired some = co_await pool.Borrow(Clock::now());
    CHECK(some.loan);
    CHECK(t.dials == 1);
  }(target, tested));
}

TEST_CASE("connection pool: a lost connection is replaced for those who wait") {
  FakeTarget target;
  ConnectionPool tested(target.loop, Named({.max = 1}), target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    std::optional<ConnectionPool::Acquired> held(co_await pool.Borrow(Clock::now()));
    const auto lose = [](FakeTarget& fake, std::optional<ConnectionPool::Acquired>& acquired,
                         ConnectionPool& from) -> Task<void> {
      while (from.Core().Now().waiting == 0) {
        co_await fake.loop.SleepUntil(Clock::now() + 1ms);
      }
      acquired->loan.As<FakeConnection>().reusable = false;
      acquired.reset();
    };
    t.loop.Spawn(lose(t, held, pool));
    ConnectionPool::Acquired next = co_await pool.Borrow(Clock::now());
    CHECK(next.loan);
    CHECK(t.dials == 2);
    CHECK(t.living == 1);
    CHECK(pool.Core().Totals().discarded == 1);
  }(target, tested));
}

TEST_CASE("connection pool: a probe keeps its connection, or says why there is none") {
  FakeTarget target;
  ConnectionPool tested(target.loop, Named({.max = 2}), target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    const Deadline deadline(Clock::now() + 10s);
    Failure fine = co_await pool.Probe(deadline);
    CHECK(!fine);
    CHECK(pool.Core().Now().idle == 1);
    t.up = false;
    Failure refused = co_await pool.Probe(deadline);
    CHECK(refused.text == "connection refused");
    CHECK(pool.Core().Now().Total() == 1);
  }(target, tested));
}

TEST_CASE("connection pool: min is dialled ahead") {
  FakeTarget target;
  ConnectionPool tested(target.loop, Named({.min = 3, .max = 5}), target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    pool.Prefill();
    while (pool.Core().Now().idle < 3) co_await t.loop.SleepUntil(Clock::now() + 1ms);
    CHECK(t.dials == 3);
  }(target, tested));
}

TEST_CASE("connection pool: CancelAll ends every wait, and nothing is dialled after it") {
  FakeTarget target;
  ConnectionPool::Options options = Named({.max = 1});
  options.acquire_timeout = 1h;
  ConnectionPool tested(target.loop, options, target.Dialler());
  RunToEnd(target, [](FakeTarget& t, ConnectionPool& pool) -> Task<void> {
    ConnectionPool::Acquired held = co_await pool.Borrow(Clock::now());
    t.loop.Post([&t] { t.loop.CancelAll(); });
    ConnectionPool::Acquired none = co_await pool.Borrow(Clock::now());
    CHECK(!none.loan);
    CHECK(none.failure.kind == ErrorKind::kTimeout);
    ConnectionPool::Acquired later = co_await pool.Borrow(Clock::now());
    CHECK(later.why->cause == pool::Cause::kClosed);
    held.loan.As<FakeConnection>().reusable = false;
    held.loan.Return();
    CHECK(t.dials == 1);
  }(target, tested));
}

namespace {

struct Crowd {
  FakeTarget target;
  std::optional<ConnectionPool> pool;
  Random random{7};
  int in_use = 0;
  int most_in_use = 0;
  int served = 0;
  int left = 200;
  std::vector<int> order;
};

Task<void> OneOf(Crowd& crowd, int id) {
  for (int i = 0; i < 5; ++i) {
    ConnectionPool::Acquired acquired = co_await crowd.pool->Borrow(Clock::now());
    if (i == 0) crowd.order.push_back(id);
    REQUIRE(acquired.loan);
    ++crowd.served;
    crowd.most_in_use = std::max(crowd.most_in_use, ++crowd.in_use);
    const auto pause = std::chrono::microseconds(crowd.random.Int(0, 300));
    co_await crowd.target.loop.SleepUntil(Clock::now() + pause);
    if (crowd.random.Int(0, 9) == 0) acquired.loan.As<FakeConnection>().reusable = false;
    --crowd.in_use;
  }
  if (--crowd.left == 0) crowd.target.loop.Stop();
}

}  // namespace

TEST_CASE("connection pool: a crowd is served in order, by at most max connections") {
  Crowd crowd;
  crowd.target.takes = 200us;
  ConnectionPool::Options options = Named({.max = 5, .max_dials = 3});
  options.acquire_timeout = 1h;
  crowd.pool.emplace(crowd.target.loop, options, crowd.target.Dialler());
  Watchdog watchdog(crowd.target.loop);
  for (int id = 0; id < 200; ++id) crowd.target.loop.Spawn(OneOf(crowd, id));
  crowd.target.loop.Run();
  CHECK(crowd.target.loop.Drain(Deadline(Clock::now() + 20s)));
  CHECK(crowd.served == 1000);
  CHECK(crowd.most_in_use <= 5);
  CHECK(crowd.target.most_living <= 5);
  CHECK(std::is_sorted(crowd.order.begin(), crowd.order.end()));
  CHECK(crowd.pool->Core().Now().in_use == 0);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("connection pool: 200 who wait for 10 connections use less than 5 % of a processor") {
  FakeTarget target;
  ConnectionPool::Options options = Named({.min = 10, .max = 10});
  options.acquire_timeout = 1h;
  ConnectionPool pool(target.loop, options, target.Dialler());
  Watchdog watchdog(target.loop);
  int served = 0;
  const auto borrow = [&]() -> Task<void> {
    ConnectionPool::Acquired acquired = co_await pool.Borrow(Clock::now());
    REQUIRE(acquired.loan);
    co_await target.loop.SleepUntil(Clock::now() + 100ms);  // what the others do meanwhile
    if (++served == 200) target.loop.Stop();
  };
  for (int i = 0; i < 200; ++i) target.loop.Spawn(borrow());
  const auto cpu_time = [] {
    timespec spent{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return Duration(std::chrono::seconds(spent.tv_sec)) + std::chrono::nanoseconds(spent.tv_nsec);
  };
  const Duration cpu_before = cpu_time();
  const TimePoint from = Clock::now();
  target.loop.Run();
  const Duration took = Clock::now() - from;
  const Duration cpu = cpu_time() - cpu_before;
  CHECK(target.loop.Drain(Deadline(Clock::now() + 20s)));
  CHECK(served == 200);
  CHECK(took >= 2s);  // 20 turns
  CHECK(cpu * 20 < took);
  CHECK(!watchdog.Bitten());
}

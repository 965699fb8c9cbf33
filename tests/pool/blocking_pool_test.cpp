// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/blocking_pool.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/pool/fakes.hpp"

using namespace perf;
using namespace perf::pool;
using namespace std::chrono_literals;
using namespace test;

namespace {

Deadline Soon() { return Deadline(Clock::now() + 60s); }

struct Server {
  std::atomic<int> living{0};
  std::atomic<int> dials{0};
  std::atomic<bool> up{true};
  struct Connection final : Resource {
    explicit Connection(Server& the_server) : server(the_server) { ++server.living; }
    ~Connection() override { --server.living; }
    bool Reusable() const noexcept override { return true; }
    bool NeedsReset() const noexcept override { return dirty; }
    bool Alive() noexcept override { return true; }
    Server& server;
    bool dirty = false;
  };
  BlockingPool::Dial Dialler() {
    return [this](Deadline, std::string& why) -> std::unique_ptr<Resource> {
      ++dials;
      if (up) return std::make_unique<Connection>(*this);
      why = "connection refused";
      return nullptr;
    };
  }
};

BlockingPool::Options Named(Limits limits) {
  BlockingPool::Options options;
  options.name = "db";
  options.limits = limits;
  return options;
}

}  // namespace

TEST_CASE("blocking pool: a loan returns itself, moves, and can be broken") {
  Server server;
  BlockingPool pool(Named({.max = 2}), server.Dialler());
  {
    auto lent = pool.Acquire(Soon());
    REQUIRE(lent.loan);
    CHECK(!lent.refusal);
    CHECK(pool.Core().Now().in_use == 1);
    BlockingLoan moved = std::move(lent.loan);
    CHECK(!lent.loan);
    CHECK(moved.As<Server::Connection>().server.living == 1);
  }
  CHECK(pool.Core().Now().idle == 1);
  BlockingLoan again = pool.AcquireOrThrow(Soon());
  CHECK(server.dials == 1);
  again.MarkBroken();
  again.Return();
  CHECK(!again);
  CHECK(server.living == 0);
  CHECK(pool.Core().Totals().discarded == 1);
}

TEST_CASE("blocking pool: the deadline holds, and the error says why") {
  Server server;
  BlockingPool pool(Named({.max = 1}), server.Dialler());
  const std::uint32_t line = std::source_location::current().line() + 1;
  auto held = pool.Acquire(Soon());
  const TimePoint before = Clock::now();
  auto none = pool.Acquire(Deadline(before + 20ms));
  CHECK(Clock::now() >= before + 20ms);
  CHECK(!none.loan);
  REQUIRE(none.refusal);
  CHECK(none.refusal.cause == Cause::kHeld);
  CHECK(none.refusal->oldest.where.line() == line);
  CHECK(none.refusal->waited >= 20ms);
  try {
    pool.AcquireOrThrow(Deadline(Clock::now()));
    FAIL("it threw nothing");
  } catch (const PoolError& error) {
    CHECK(error.Why().cause == Cause::kHeld);
    CHECK(std::string(error.what()).starts_with("pool db: all connections are in use"));
  }
  CHECK(pool.Core().Now().waiting == 0);
}

TEST_CASE("blocking pool: a target that is down is told of at once") {
  Server server;
  server.up = false;
  BlockingPool pool(Named({.max = 1, .backoff_first = 1h, .backoff_most = 1h}), server.Dialler());
  auto first = pool.Acquire(Soon());
  CHECK(first.refusal.cause == Cause::kDown);
  auto second = pool.Acquire(Soon());
  CHECK(second.refusal.cause == Cause::kDown);
  CHECK(second.refusal->connect_error == "connection refused");
  CHECK(server.dials == 1);
}

TEST_CASE("blocking pool: min is dialled ahead") {
  Server server;
  BlockingPool pool(Named({.min = 3, .max = 5, .max_dials = 2}), server.Dialler());
  CHECK(pool.Prefill(Soon()));
  CHECK(pool.Core().Now().idle == 3);
  server.up = false;
  pool.Resize(5, 5);
  CHECK(!pool.Prefill(Soon()));
}

TEST_CASE("blocking pool: a dial has its own deadline, not that of who wanted it") {
  std::mutex mutex;
  std::condition_variable go;
  bool gone = false;
  std::atomic<bool> generous{false};
  BlockingPool::Options options = Named({.max = 1});
  options.connect_timeout = 1h;
  BlockingPool pool(options, [&](Deadline deadline, std::string&) {
    generous = deadline.Remaining(Clock::now()) > 30min;
    std::unique_lock lock(mutex);
    go.wait(lock, [&] { return gone; });
    return Make();
  });
  auto none = pool.Acquire(Deadline(Clock::now() + 1ms));
  CHECK(none.refusal.cause == Cause::kConnecting);
  {
    const std::lock_guard lock(mutex);
    gone = true;
  }
  go.notify_all();
  auto some = pool.Acquire(Soon());
  CHECK(some.loan);
  CHECK(generous);
  CHECK(pool.Core().Totals().dialled == 1);
}

TEST_CASE("blocking pool: a loan may outlive its pool, also on another thread") {
  Server server;
  auto pool = std::make_unique<BlockingPool>(Named({.max = 2}), server.Dialler());
  BlockingLoan mine = pool->AcquireOrThrow(Soon());
  BlockingLoan theirs = pool->AcquireOrThrow(Soon());
  pool.reset();
  CHECK(server.living == 2);
  std::thread([loan = std::move(theirs)]() mutable { loan.Return(); }).join();
  CHECK(server.living == 1);
  // This thread uses other pools meanwhile, and forgets that one.
  for (int i = 0; i < 40; ++i) {
    BlockingPool other(Named({.max = 1}), server.Dialler());
    CHECK(other.Acquire(Soon()).loan);
  }
  mine.Return();
  CHECK(server.living == 0);
}

TEST_CASE("blocking pool: one left in a transaction is reset before the next borrower") {
  Server server;
  BlockingPool::Options options = Named({.max = 1});
  int resets = 0;
  bool works = true;
  options.reset = [&](Resource& resource) {
    ++resets;
    static_cast<Server::Connection&>(resource).dirty = false;
    return works;
  };
  BlockingPool pool(options, server.Dialler());
  BlockingLoan loan = pool.AcquireOrThrow(Soon());
  loan.As<Server::Connection>().dirty = true;
  loan.Return();
  CHECK(resets == 1);
  loan = pool.AcquireOrThrow(Soon());
  CHECK(!loan.As<Server::Connection>().dirty);
  loan.Return();
  CHECK(resets == 1);
  loan = pool.AcquireOrThrow(Soon());
  loan.As<Server::Connection>().dirty = true;
  works = false;
  loan.Return();
  CHECK(server.living == 0);  // a reset that fails leaves nothing to lend
}

TEST_CASE("blocking pool: a caller's function that throws costs the connection, not its place") {
  Server server;
  BlockingPool::Options options =
      Named({.min = 1, .max = 1, .keepalive = 10ms, .leak_after = 10ms});
  std::atomic<int> pings{0};
  options.reset = [&](Resource&) -> bool { throw std::runtime_error("rollback: broken pipe"); };
  options.ping = [&](Resource&) -> bool {
    const int number = ++pings;
    pings.notify_all();
    if (number <= 2) throw std::runtime_error("ping: broken pipe");
    return true;
  };
  std::atomic<int> told{0};
  options.on_leak = [&](const Holder&) {
    told = 1;
    told.notify_all();
    throw 1;
  };
  BlockingPool pool(options, server.Dialler());
  BlockingLoan loan = pool.AcquireOrThrow(Soon());
  loan.As<Server::Connection>().dirty = true;
  loan.Return();
  CHECK(pool.Core().Totals().discarded == 1);
  loan = pool.AcquireOrThrow(Soon());
  CHECK(!loan.As<Server::Connection>().dirty);
  told.wait(0);
  loan.Return();
  // The thread that keeps it up lives on.
  for (int seen = pings; seen < 3; seen = pings) pings.wait(seen);
  CHECK(pool.AcquireOrThrow(Soon()));
}

TEST_CASE("blocking pool: a dial that throws anything is a dial that failed") {
  Server server;
  BlockingPool pool(Named({.max = 1}),
                    [](Deadline, std::string&) -> std::unique_ptr<Resource> { throw 1; });
  const auto lent = pool.Acquire(Soon());
  REQUIRE(lent.refusal.cause == Cause::kDown);
  CHECK(lent.refusal->connect_error == "what was thrown is no std::exception");
}

TEST_CASE("blocking pool: where no thread can be had, the acquire says so") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Server server;
    BlockingPool pool(Named({.max = 1}), server.Dialler());
    // The bound on threads is not for root.
    const bool plain = geteuid() != 0 || setresuid(65534, 65534, 65534) == 0;
    const rlimit none{0, 0};
    if (!plain || setrlimit(RLIMIT_NPROC, &none) != 0) _exit(2);
    const auto lent = pool.Acquire(Soon());
    const bool told = lent.refusal.cause == Cause::kDown &&
                      lent.refusal->connect_error.starts_with("no thread to dial on: ");
    _exit(told ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("blocking pool: a forked child is refused, and the parent's connections stay untouched") {
  Server server;
  std::optional<BlockingPool> pool(std::in_place, Named({.min = 2, .max = 2}), server.Dialler());
  REQUIRE(pool->Prefill(Soon()));
  BlockingLoan held = pool->AcquireOrThrow(Soon());
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto lent = pool->Acquire(Soon());
    const bool right = lent.refusal.cause == Cause::kForked && !lent.loan;
    held.Return();
    pool.reset();
    _exit(right && server.living == 2 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(server.living == 2);
  held.Return();
  CHECK(pool->Acquire(Soon()).loan);
}

TEST_CASE("blocking pool: drain waits for the last loan, or for its deadline") {
  Server server;
  BlockingPool pool(Named({.max = 2}), server.Dialler());
  BlockingLoan held = pool.AcquireOrThrow(Soon());
  CHECK(!pool.Drain(Deadline(Clock::now() + 5ms)));
  CHECK(pool.Acquire(Soon()).refusal.cause == Cause::kClosed);
  std::thread returning([&] { held.Return(); });
  CHECK(pool.Drain(Soon()));
  returning.join();
  CHECK(server.living == 0);
}

TEST_CASE("blocking pool: leaks are told of, with their line") {
  Server server;
  std::mutex mutex;
  std::condition_variable told;
  std::optional<Holder> leak;
  BlockingPool::Options options = Named({.max = 1, .leak_after = 10ms});
  options.on_leak = [&](const Holder& holder) {
    const std::lock_guard lock(mutex);
    leak = holder;
    told.notify_all();
  };
  BlockingPool pool(options, server.Dialler());
  const std::uint32_t line = std::source_location::current().line() + 1;
  BlockingLoan held = pool.AcquireOrThrow(Soon());
  std::unique_lock lock(mutex);
  REQUIRE(told.wait_until(lock, Soon().At(), [&] { return leak.has_value(); }));
  CHECK(leak->where.line() == line);
  CHECK(pool.Core().Totals().leaks_detected == 1);
}

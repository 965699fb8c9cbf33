// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/loop.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <coroutine>
#include <functional>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "libperf/backends/poller.hpp"
#include "tests/backends/watchdog.hpp"

using namespace perf;
using namespace perf::backends;
using namespace std::chrono_literals;
using test::Watchdog;

namespace {

/// Waits for somebody else's hand-over.
struct Gate {
  std::coroutine_handle<> waiting;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiting = handle; }
  void await_resume() const noexcept {}
};

Task<void> SleepThen(EventLoop& loop, TimePoint at, std::vector<int>& log, int id) {
  co_await loop.SleepUntil(at);
  if (!loop.Cancelled()) CHECK(Clock::now() >= at);
  log.push_back(id);
}

Task<void> StopAt(EventLoop& loop, TimePoint at) {
  co_await loop.SleepUntil(at);
  loop.Stop();
}

Task<void> Throw(EventLoop& loop, std::optional<TimePoint> at, const char* what) {
  if (at) co_await loop.SleepUntil(*at);
  throw std::runtime_error(what);
}

Task<void> Link(EventLoop& loop, Gate& mine, Gate* next, int& passed) {
  co_await mine;
  ++passed;
  if (next != nullptr) {
    loop.Schedule(next->waiting);
  } else {
    loop.Stop();
  }
}

}  // namespace

TEST_CASE("loop: what is posted runs later, in order, on the thread in Run") {
  EventLoop loop;
  std::vector<int> log;
  loop.Post([&] {
    log.push_back(1);
    loop.Post([&] {
      log.push_back(3);
      loop.Stop();
    });
    log.push_back(2);
  });
  CHECK(log.empty());
  loop.Run();
  CHECK(log == std::vector{1, 2, 3});
}

TEST_CASE("loop: Post and Stop from many threads; each thread's posts stay in order") {
  EventLoop loop;
  Watchdog watchdog(loop);
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  std::vector<int> seen(kThreads, 0);
  int left = kThreads;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.Post([&, t, i] {
          CHECK(seen[static_cast<std::size_t>(t)] == i);
          ++seen[static_cast<std::size_t>(t)];
        });
      }
      loop.Post([&] {
        if (--left == 0) loop.Stop();
      });
    });
  }
  loop.Run();
  CHECK(seen == std::vector<int>(kThreads, kPosts));
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: a Stop before Run ends it, and it can run again") {
  EventLoop loop;
  Watchdog watchdog(loop);
  int runs = 0;
  for (int i = 0; i < 3; ++i) {
    loop.Post([&] { ++runs; });
    loop.Stop();
    loop.Run();
  }
  CHECK(runs == 3);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: sleeps end in the order of their instants, equal ones first come first served") {
  EventLoop loop;
  Watchdog watchdog(loop);
  std::vector<int> log;
  const TimePoint now = Clock::now();
  loop.Spawn(SleepThen(loop, now + 9ms, log, 5));
  loop.Spawn(SleepThen(loop, now + 3ms, log, 2));
  loop.Spawn(SleepThen(loop, now + 3ms, log, 3));
  loop.Spawn(SleepThen(loop, now - 1h, log, 1));
  loop.Spawn(SleepThen(loop, now + 3ms + 1ns, log, 4));
  loop.Spawn(StopAt(loop, now + 10ms));
  CHECK(log.empty());  // not even the past one inside of Spawn
  CHECK(loop.Live() == 6);
  loop.Run();
  CHECK(log == std::vector{1, 2, 3, 4, 5});
  CHECK(loop.Live() == 0);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: the pacer is called at or after each instant that it asked for") {
  EventLoop loop;
  Watchdog watchdog(loop);
  const TimePoint start = Clock::now() + 1ms;
  constexpr int kCalls = 200;
  int arrivals = 0;
  TimePoint asked = start;
  loop.SetPacer(start, [&](TimePoint now) {
    CHECK(now >= asked);
    CHECK(Clock::now() >= now);
    while (arrivals < kCalls && start + arrivals * 50us <= now) ++arrivals;
    asked = start + arrivals * 50us;
    if (arrivals < kCalls) return asked;
    loop.Stop();
    return TimePoint::max();
  });
  loop.Run();
  CHECK(arrivals == kCalls);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: the pacer can be woken sooner, also from inside of itself") {
  EventLoop loop;
  Watchdog watchdog(loop);
  int calls = 0;
  loop.SetPacer(Clock::now() + 1h, [&](TimePoint now) {
    if (++calls == 1) {
      loop.WakePacerAt(now);
    } else {
      loop.Stop();
    }
    return TimePoint::max();
  });
  loop.Post([&] { loop.WakePacerAt(Clock::now()); });
  loop.Post([&] { loop.WakePacerAt(Clock::now() + 2h); });  // never later
  loop.Run();
  CHECK(calls == 2);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: the first exception of a spawned task stops the loop and comes out of Run") {
  EventLoop loop;
  Watchdog watchdog(loop);
  std::vector<int> log;
  loop.Spawn(Throw(loop, Clock::now() + 2ms, "second"));
  loop.Spawn(Throw(loop, Clock::now() + 1ms, "first"));
  loop.Spawn(SleepThen(loop, TimePoint::max(), log, 1));
  CHECK_THROWS_WITH(loop.Run(), "first");
  CHECK(log.empty());
  // What it left is unwound like any other run's.
  loop.CancelAll();
  CHECK(loop.Drain(Deadline(Clock::now() + 10s)));
  CHECK(log == std::vector{1});
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: an exception inside of Spawn before Run comes out of Run, too") {
  EventLoop loop;
  Watchdog watchdog(loop);
  loop.Spawn(Throw(loop, std::nullopt, "at once"));
  CHECK(loop.Live() == 0);
  CHECK_THROWS_WITH(loop.Run(), "at once");
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: Drain goes on until nothing lives, or until its deadline") {
  EventLoop loop;
  std::vector<int> log;
  const TimePoint now = Clock::now();
  loop.Spawn(SleepThen(loop, now + 2ms, log, 1));
  CHECK(loop.Drain(Deadline(now + 10s)));
  CHECK(log == std::vector{1});
  loop.Spawn(SleepThen(loop, TimePoint::max(), log, 2));
  CHECK(!loop.Drain(Deadline(Clock::now())));
  CHECK(!loop.Drain(Deadline(Clock::now() + 10ms)));
  CHECK(loop.Live() == 1);
  loop.CancelAll();
  CHECK(loop.Drain(Deadline(Clock::now() + 10s)));
  CHECK(log == std::vector{1, 2});
  CHECK(loop.Drain(Deadline(now)));  // nothing lives: whatever the deadline
}

TEST_CASE("loop: after CancelAll sleeps and alarms end at once, later ones too") {
  EventLoop loop;
  Watchdog watchdog(loop);
  std::vector<int> log;
  Alarm alarm(loop, [&] { log.push_back(10); });
  alarm.Arm(Deadline::Never());
  loop.Spawn(SleepThen(loop, TimePoint::max(), log, 1));
  loop.Post([&] {
    loop.CancelAll();
    CHECK(loop.Cancelled());
    CHECK(log == std::vector{10});
    loop.Spawn(SleepThen(loop, TimePoint::max(), log, 2));
    alarm.Arm(Deadline(Clock::now() + 1h));
    loop.Stop();
  });
  loop.Run();
  CHECK(loop.Drain(Deadline(Clock::now() + 10s)));
  CHECK(std::count(log.begin(), log.end(), 1) == 1);
  CHECK(std::count(log.begin(), log.end(), 2) == 1);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: CancelAll out of an alarm wakes the sleepers, too") {
  EventLoop loop;
  Watchdog watchdog(loop);
  Alarm alarm(loop, [&] { loop.CancelAll(); });
  alarm.Arm(Deadline(Clock::now() + 1ms));
  loop.Spawn(StopAt(loop, Clock::now() + 1h));
  loop.Run();
  CHECK(loop.Live() == 0);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: Schedule resumes in order, on the next turn, never inside of the call") {
  EventLoop loop;
  Watchdog watchdog(loop);
  Gate gates[3];
  std::vector<int> log;
  const auto wait = [&](Gate& gate, int id) -> Task<void> {
    co_await gate;
    log.push_back(id);
    if (id == 2) loop.Stop();
  };
  for (int i = 0; i < 3; ++i) loop.Spawn(wait(gates[i], i));
  for (Gate& gate : gates) loop.Schedule(gate.waiting);
  CHECK(log.empty());
  loop.Run();
  CHECK(log == std::vector{0, 1, 2});
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: a chain of 100,000 hand-overs does not grow the stack") {
  constexpr int kLinks = 100'000;
  EventLoop loop;
  Watchdog watchdog(loop);
  std::vector<Gate> gates(kLinks);
  int passed = 0;
  for (std::size_t i = 0; i < kLinks; ++i) {
    loop.Spawn(Link(loop, gates[i], i + 1 < kLinks ? &gates[i + 1] : nullptr, passed));
  }
  CHECK(loop.Live() == kLinks);
  loop.Schedule(gates[0].waiting);
  loop.Run();
  CHECK(passed == kLinks);
  CHECK(loop.Live() == 0);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("loop: Asio's timers run beside the loop's own work, asleep or kept busy by it") {
  EventLoop loop;
  Watchdog watchdog(loop);
  boost::asio::steady_timer first(loop.Context(), 1ms);
  boost::asio::steady_timer second(loop.Context());
  // Keeps the loop busy: it wakes itself on every turn.
  std::function<void()> again = [&] { loop.Soon(again); };
  bool ended = false;
  first.async_wait([&](const boost::system::error_code& error) {
    CHECK_FALSE(error);
    loop.Soon(again);
    second.expires_after(1ms);
    second.async_wait([&](const boost::system::error_code& failed) {
      CHECK_FALSE(failed);
      ended = true;
      loop.Stop();
    });
  });
  loop.Run();
  CHECK(ended);
}

TEST_CASE("loop: with Asio in use a sleeping loop still hears its own sockets and other threads") {
  EventLoop loop;
  Watchdog watchdog(loop);
  loop.Context();
  struct Reader final : Poller::Watcher {
    explicit Reader(EventLoop& l) : loop(l) {}
    void OnEvents(std::uint32_t) override {
      heard = true;
      loop.Stop();
    }
    EventLoop& loop;
    bool heard = false;
  } reader(loop);
  int ends[2];
  REQUIRE(::pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
  REQUIRE(loop.Sockets().Add(ends[0], EPOLLIN | EPOLLET, reader));
  ssize_t written = 0;
  std::thread other([&] { loop.Post([&] { written = ::write(ends[1], "x", 1); }); });
  loop.Run();
  other.join();
  CHECK(written == 1);
  CHECK(reader.heard);
  loop.Sockets().Remove(ends[0], reader);
  ::close(ends[0]);
  ::close(ends[1]);
}

// SPDX-License-Identifier: Apache-2.0
// By the server's own count a pool never has more sessions than its max, whatever it gives up.
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "libperf/base/units.hpp"
#include "tests/backends/pg_pool_bench.hpp"

using namespace perf;
using namespace perf::backends;
using namespace std::chrono_literals;
using namespace perf::backends::test;

namespace {

constexpr std::size_t kMost = 4;
constexpr int kStatements = 150;

PostgresConfig Bounded() {
  PostgresConfig config;
  config.conninfo = *PostgresConninfo();
  config.application_name = "perfkit bound";
  return config;
}

PostgresConfig Watching() {
  PostgresConfig config;
  config.conninfo = *PostgresConninfo();
  config.application_name = "perfkit watcher";
  return config;
}

const SqlStatement kCount{
    "select count(*) from pg_stat_activity where application_name = 'perfkit bound'", 0};

Task<void> Impatient(PgPoolBench& bench, int& left, int& working, int& timed_out) {
  SqlReply reply;
  while (left > 0) {
    --left;
    // Every other statement takes longer than anybody waits for its end: a request to cancel that
    // comes before its statement is not heard, and has to be repeated.
    const std::string text = left % 2 == 0 ? "select pg_sleep(10)" : "select 1";
    const Deadline soon = Deadline::After(Clock::now(), 5ms);
    co_await bench.Run(text, reply, soon);
    if (reply.failure.kind == ErrorKind::kTimeout) ++timed_out;
  }
  --working;
}

/// Counts again and again until nobody works any more.
Task<void> Look(PostgresConnection& watcher, const int& working, std::int64_t& most, int& looks) {
  SqlReply reply;
  while (working > 0) {
    co_await watcher.Execute(kCount, {}, reply, Soon());
    REQUIRE(reply.Rows() == 1);
    most = std::max(most, ParseInteger(*reply.Value(0, 0)).value_or(-1));
    ++looks;
  }
}

}  // namespace

TEST_CASE("postgres: never more sessions than max, not even after statements that were given up") {
  if (!PostgresConninfo()) return;
  PgPoolBench bench(Bounded(), kMost);
  const auto watching = MakePostgresConnector(bench.loop, Watching());
  int left = kStatements, working = 2 * static_cast<int>(kMost), timed_out = 0, looks = 0;
  std::int64_t most = 0;
  RunOn(bench.loop, [&]() -> Task<void> {
    auto watcher = co_await watching->Dial(Soon());
    REQUIRE(watcher.connection != nullptr);
    for (int i = working; i > 0; --i) {
      bench.loop.Spawn(Impatient(bench, left, working, timed_out));
    }
    co_await Look(*watcher.connection, working, most, looks);
  }());
  CHECK(timed_out > kStatements / 4);
  CHECK(looks > timed_out);
  CHECK(most == static_cast<std::int64_t>(kMost));
  CHECK(bench.pool->Core().Totals().dialled > kMost);
}

namespace {

/// Whether a signal waits to be delivered to a process that stands still.
bool Pending(pid_t pid, int signal) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string key;
  while (status >> key && key != "ShdPnd:") status.ignore(4096, '\n');
  std::string mask;
  status >> mask;
  return (std::stoull(mask, nullptr, 16) >> (signal - 1) & 1U) != 0;
}

Task<std::int64_t> Sessions(PostgresConnection& watcher) {
  SqlReply reply;
  co_await watcher.Execute(kCount, {}, reply, Soon());
  co_return reply.Rows() == 1 ? ParseInteger(*reply.Value(0, 0)).value_or(-1) : -1;
}

Task<pid_t> Backend(PgPoolBench& bench) {
  SqlReply reply;
  co_await bench.Run("select pg_backend_pid()", reply, Soon());
  REQUIRE(reply.Rows() == 1);
  co_return static_cast<pid_t>(*ParseInteger(*reply.Value(0, 0)));
}

}  // namespace

TEST_CASE("postgres: a cancel request that was not heard is repeated, and nobody dials meanwhile") {
  if (!PostgresConninfo()) return;
  PgPoolBench bench(Bounded(), 1);
  const auto watching = MakePostgresConnector(bench.loop, Watching());
  RunOn(bench.loop, [](PgPoolBench& b, PostgresConnector& watch) -> Task<void> {
    auto watcher = co_await watch.Dial(Soon());
    REQUIRE(watcher.connection != nullptr);
    const pid_t pid = co_await Backend(b);
    // The server has the request to cancel before it has seen the statement, and ignores it.
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    SqlReply reply;
    const Deadline short_one = Deadline::After(Clock::now(), 5ms);
    co_await b.Run("select pg_sleep(60)", reply, short_one);
    CHECK(reply.failure.kind == ErrorKind::kTimeout);
    const bool told = co_await b.Await([pid] { return Pending(pid, SIGINT); });
    ::kill(pid, SIGCONT);
    CHECK(told);
    co_await b.Run("select 1", reply, Soon());
    CHECK(reply.failure.text == "");
    const std::int64_t sessions = co_await Sessions(*watcher.connection);
    CHECK(sessions == 1);
  }(bench, *watching));
}

TEST_CASE("postgres: while a session that was closed lives on there is no other one in its place") {
  if (!PostgresConninfo()) return;
  PgPoolBench bench(Bounded(), 1);
  const auto watching = MakePostgresConnector(bench.loop, Watching());
  RunOn(bench.loop, [](PgPoolBench& b, PostgresConnector& watch) -> Task<void> {
    auto watcher = co_await watch.Dial(Soon());
    REQUIRE(watcher.connection != nullptr);
    const pid_t pid = co_await Backend(b);
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    SqlReply reply;
    const Deadline short_one = Deadline::After(Clock::now(), 5ms);
    co_await b.Run("select 1", reply, short_one);
    CHECK(reply.failure.kind == ErrorKind::kTimeout);
    // Longer than a dial has: it is told why there is none.
    co_await b.Run("select 1", reply, Soon());
    const std::int64_t stopped = co_await Sessions(*watcher.connection);
    ::kill(pid, SIGCONT);
    CHECK(stopped == 1);
    CHECK(reply.failure.kind == ErrorKind::kConnect);
    CHECK_MESSAGE(reply.failure.text.find("farewell overdue: ") != std::string::npos,
                  reply.failure.text);
    const Deadline patience = Soon();
    do {
      const TimePoint next = Clock::now() + 5ms;
      co_await b.loop.SleepUntil(next);
      co_await b.Run("select 1", reply, patience);
    } while (reply.failure && !patience.Passed(Clock::now()));
    CHECK(reply.failure.text == "");
    const std::int64_t after = co_await Sessions(*watcher.connection);
    CHECK(after == 1);
  }(bench, *watching));
}

TEST_CASE("postgres: a session that lives on takes no place but its own") {
  if (!PostgresConninfo()) return;
  PgPoolBench bench(Bounded(), 3);
  RunOn(bench.loop, [](PgPoolBench& b) -> Task<void> {
    const pid_t pid = co_await Backend(b);
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    SqlReply reply;
    const TimePoint began = Clock::now();
    const Deadline short_one = Deadline::After(began, 5ms);
    co_await b.Run("select 1", reply, short_one);
    CHECK(reply.failure.kind == ErrorKind::kTimeout);
    {
      const std::vector<Loan> both = co_await b.TakeAll(2);
      CHECK(both.size() == 2);
      CHECK(b.pool->Core().Totals().dial_failures == 0);
    }
    ::kill(pid, SIGCONT);
  }(bench));
}

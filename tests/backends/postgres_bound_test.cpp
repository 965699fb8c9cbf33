// SPDX-License-Identifier: Apache-2.0
// By the server's own count a pool never has more sessions than its max, whatever it gives up.
#include <signal.h>

#include <algorithm>

#include "libperf/backends/pg_farewell.hpp"
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
    // Every other statement takes longer than anybody waits for it, but not longer than its end is
    // waited for: a request to cancel that comes before its statement is not heard.
    const std::string text = left % 2 == 0 ? "select pg_sleep(0.3)" : "select 1";
    co_await bench.Run(text, reply, Deadline::After(Clock::now(), 5ms));
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

TEST_CASE("postgres: a session whose server does not hang up is waited for a while only") {
  if (!PostgresConninfo()) return;
  PgPoolBench bench(Bounded(), 1);
  RunOn(bench.loop, [](PgPoolBench& b) -> Task<void> {
    SqlReply reply;
    co_await b.Run("select pg_backend_pid()", reply, Soon());
    REQUIRE(reply.Rows() == 1);
    const auto pid = static_cast<pid_t>(*ParseInteger(*reply.Value(0, 0)));
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    const TimePoint began = Clock::now();
    co_await b.Run("select 1", reply, Deadline::After(began, 5ms));
    CHECK(reply.failure.kind == ErrorKind::kTimeout);
    co_await b.Run("select 1", reply, Soon());
    CHECK(reply.Value(0, 0) == "1");
    const Duration took = Clock::now() - began;
    ::kill(pid, SIGCONT);
    CHECK(took >= 500ms);  // a quarter of the time that a dial has
    CHECK(took < 3s);
  }(bench));
}

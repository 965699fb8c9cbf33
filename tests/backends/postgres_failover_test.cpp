// SPDX-License-Identifier: Apache-2.0
// Pools of PostgreSQL connections while servers die, are stopped, promoted and come back.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/pqxx_face.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"
#include "pg_pool_bench.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;
using test::Soon;
using Bench = test::PgPoolBench;

constexpr std::size_t kSize = 8;

TEST_SUITE_BEGIN("topologies");

std::optional<PrivateServers> Start(Topology topology) {
  PrivateSpec spec;
  spec.name = "db";
  spec.kind = PrivateSpec::Kind::kPostgres;
  spec.topology = topology;
  try {
    return PrivateServers::Start(std::array{spec}, Soon());
  } catch (const UnreachableError& error) {
    if (std::string_view(error.what()).find("not found: install") == std::string_view::npos) throw;
    MESSAGE("SKIPPED: " << std::string(error.what()));
    return std::nullopt;
  }
}

PostgresConfig ConfigOf(const std::string& conninfo) {
  PostgresConfig config;
  config.conninfo = conninfo;
  return config;
}

/// Until a replica has the table: what it has not been sent yet dies with its primary.
void AwaitTable(const std::string& replica) {
  const Deadline deadline = Soon();
  BlockingSql sql(replica, deadline);
  while (!sql.Run("select to_regclass('t')", deadline).at(0).at(0))
    std::this_thread::sleep_for(2ms);
}

/// What an operator does, beside the loop.
class Operator {
 public:
  Operator(PrivateServers& servers, std::vector<ServerAction> actions)
      : thread_([this, &servers, actions = std::move(actions)] {
          try {
            AwaitTable(servers.NodeUrl("db", 1));
            for (const ServerAction action : actions) servers.Act("db", action, {}, Soon());
            // From here on the new primary accepts writes.
            BlockingSql sql(servers.NodeUrl("db", 1), Soon());
            sql.Run("insert into t values (0)", Soon());
            accepted_ = Clock::now();
          } catch (const std::exception& error) {
            MESSAGE(std::string(error.what()));
            failed_ = true;
          }
          done_ = true;
        }) {}
  bool Done() const noexcept { return done_; }
  bool Failed() const noexcept { return failed_; }
  TimePoint Accepted() const noexcept { return accepted_; }

 private:
  std::atomic<bool> done_{false};
  std::atomic<bool> failed_{false};
  TimePoint accepted_{};
  std::jthread thread_;
};

struct Tally {
  int good = 0;
  int failed = 0;
  int refused = 0;     // by the pool, which knew that nobody is there
  int used_again = 0;  // connections that failed and are still lent
  int late = 0;
  Duration patience = 10s;  // of a write; a server that ends says so, a mute one does not
  Duration oversleep{};     // the most that the loop was late
  bool stop = false;
  int live = 0;
};

Task<void> Writer(Bench& bench, Tally& tally) {
  SqlReply reply;
  while (!tally.stop) {
    ConnectionPool::Acquired acquired = co_await bench.pool->Borrow(Clock::now());
    if (acquired.failure) {
      ++tally.refused;
      co_await bench.loop.SleepUntil(Clock::now() + 1ms);
      continue;
    }
    const Deadline deadline = Deadline::After(Clock::now(), tally.patience);
    co_await bench.RunOn(acquired.loan, "insert into t values (1)", reply, deadline);
    ++(reply.failure ? tally.failed : tally.good);
    if (reply.failure && acquired.loan.As<PostgresConnection>().Reusable()) ++tally.used_again;
    // Coarse alarms, and a busy machine on which the loop itself is late.
    if (Clock::now() > deadline.At() + 1s + tally.oversleep) ++tally.late;
  }
  --tally.live;
}

/// How late the loop is by itself.
Task<void> Watch(Bench& bench, Tally& tally) {
  while (!tally.stop) {
    const TimePoint due = Clock::now() + 10ms;
    co_await bench.loop.SleepUntil(due);
    tally.oversleep = std::max(tally.oversleep, Clock::now() - due);
  }
  --tally.live;
}

/// All connections at the same time, and which servers they lead to.
Task<bool> AllLeadTo(Bench& bench, const std::string& directory) {
  std::vector<Loan> loans;
  SqlReply reply;
  for (std::size_t i = 0; i < kSize; ++i) {
    ConnectionPool::Acquired acquired = co_await bench.pool->Borrow(Clock::now());
    if (acquired.failure) co_return false;
    loans.push_back(std::move(acquired.loan));
    co_await bench.RunOn(loans.back(), "show unix_socket_directories", reply, Soon());
    if (reply.failure || reply.Value(0, 0) != directory) co_return false;
  }
  co_return true;
}

struct Story {
  std::vector<ServerAction> actions;
  const char* name;
  bool mute = false;  // the old primary, which ends no write by itself
};

Task<void> FailOver(Bench& bench, PrivateServers& servers, const Story& story) {
  SqlReply reply;
  Tally tally;
  const std::string create = "create table t(n int)";
  co_await bench.Run(create, reply, Soon());
  CHECK(reply.failure.text == "");
  if (story.mute) tally.patience = 500ms;
  tally.live = kSize + 1;
  for (std::size_t i = 0; i < kSize; ++i) bench.loop.Spawn(Writer(bench, tally));
  bench.loop.Spawn(Watch(bench, tally));
  CHECK(co_await bench.Await([&] { return tally.good > 100; }));
  const int before = tally.failed;
  CHECK(before == 0);
  Operator someone(servers, story.actions);
  // As long as it takes: each of its actions has a deadline of its own.
  while (!someone.Done()) co_await bench.loop.SleepUntil(Clock::now() + 2ms);
  CHECK_FALSE(someone.Failed());
  const int good = tally.good;
  CHECK(co_await bench.Await([&] { return tally.good > good + 100; }));
  tally.stop = true;
  CHECK(co_await bench.Await([&] { return tally.live == 0; }));

  const std::string url = servers.NodeUrl("db", 1);
  const auto start = url.find("host=") + 5;
  const std::string directory = url.substr(start, url.find(' ', start) - start);
  bool moved = false;
  const Deadline patience = Soon();
  while (!moved && !patience.Passed(Clock::now())) moved = co_await AllLeadTo(bench, directory);
  CHECK(moved);
  const double ms = ToMs(Clock::now() - someone.Accepted());
  MESSAGE(std::string(story.name) << ": " << tally.failed << " failed writes, " << tally.refused
                                  << " refused borrows; all " << kSize
                                  << " connections lead to the new primary " << ms
                                  << " ms after it took a write");
  WARN(ms <= 1000);
  // A write may take longer than half a second on a busy machine: no fault of the pool's.
  if (story.mute) {
    WARN(tally.failed <= static_cast<int>(kSize));
  } else {
    CHECK(tally.failed <= static_cast<int>(kSize));
  }
  CHECK(tally.used_again == 0);
  CHECK(tally.late == 0);
}

TEST_CASE("postgres: a pool follows its primary to another server") {
  Story story;
  SUBCASE("killed") {
    story = {{ServerAction::kKill, ServerAction::kPromote}, "old primary killed"};
  }
  SUBCASE("restarted as a standby") {
    story = {{ServerAction::kPromote, ServerAction::kRestart}, "old primary restarted"};
  }
  SUBCASE("stopped") {
    story = {{ServerAction::kStop, ServerAction::kPromote}, "old primary mute", true};
  }
  SUBCASE("alive") { story = {{ServerAction::kPromote}, "old primary unaware"}; }
  auto servers = Start(Topology::kPrimaryReplica);
  if (!servers) return;
  Bench bench(ConfigOf(servers->Url("db")), kSize);
  test::RunOn(bench.loop, FailOver(bench, *servers, story));
}

Task<void> Terminated(Bench& bench) {
  SqlReply reply;
  std::vector<Loan> loans = co_await bench.TakeAll(4);
  const std::string who = "select pg_backend_pid()";
  co_await bench.RunOn(loans[0], who, reply, Soon());
  const std::string kill =
      fmt::format("select pg_terminate_backend({}, 60000)", *reply.Value(0, 0));
  co_await bench.RunOn(loans[1], kill, reply, Soon());
  CHECK(reply.Value(0, 0) == "t");
  loans.resize(1);
  CHECK(bench.pool->Core().Now().idle == 3);
  co_await bench.RunOn(loans[0], who, reply, Soon());
  CHECK(reply.failure.kind == ErrorKind::kStatus);
  CHECK(reply.sqlstate == "57P01");
  CHECK_FALSE(loans[0].As<PostgresConnection>().Reusable());
  CHECK(co_await bench.Await([&] { return bench.pool->Core().Totals().invalidated == 3; }));
  CHECK(bench.stale == 1);
  loans.clear();
  co_await bench.Run(who, reply, Soon());
  CHECK(reply.failure.text == "");
}

Task<void> BackendKilled(Bench& bench) {
  SqlReply reply;
  std::vector<Loan> loans = co_await bench.TakeAll(2);
  const std::string who = "select pg_backend_pid()";
  co_await bench.RunOn(loans[0], who, reply, Soon());
  const auto pid = ParseInteger(*reply.Value(0, 0));
  REQUIRE(pid.has_value());
  REQUIRE(::kill(static_cast<pid_t>(*pid), SIGKILL) == 0);
  const std::string sleep = "select pg_sleep(100)";
  const Deadline deadline = Soon();
  co_await bench.RunOn(loans[0], sleep, reply, deadline);
  CHECK(reply.failure.kind != ErrorKind::kNone);
  CHECK(reply.failure.kind != ErrorKind::kTimeout);
  // The server ends all other sessions, for their memory may be damaged, and tries to say so.
  co_await bench.RunOn(loans[1], sleep, reply, deadline);
  CHECK((reply.sqlstate == "57P02" || reply.failure.kind == ErrorKind::kProtocol));
  loans.clear();
  bool again = false;
  const Deadline patience = Soon();
  while (!again && !patience.Passed(Clock::now())) {
    co_await bench.Run(who, reply, Soon());
    again = !reply.failure;
    if (!again) co_await bench.loop.SleepUntil(Clock::now() + 2ms);
  }
  CHECK(again);
}

TEST_CASE("postgres: sessions ended by the administrator and by SIGKILL") {
  auto servers = Start(Topology::kSingle);
  if (!servers) return;
  {
    Bench bench(ConfigOf(servers->Url("db")), kSize);
    test::RunOn(bench.loop, Terminated(bench));
  }
  Bench bench(ConfigOf(servers->Url("db")), kSize);
  test::RunOn(bench.loop, BackendKilled(bench));
}

Task<void> DialThere(Bench& bench, bool expected, const char* needle) {
  const Deadline deadline = Deadline::After(Clock::now(), expected ? 8s : 4s);
  auto dialled = co_await bench.connector->Dial(deadline);
  CAPTURE(dialled.failure.text);
  CHECK((dialled.connection != nullptr) == expected);
  if (!expected) CHECK(dialled.failure.text.find(needle) != std::string::npos);
  if (!dialled.connection) co_return;
  SqlReply reply;
  SqlStatement statement;
  statement.text = "select pg_is_in_recovery()";
  co_await dialled.connection->Execute(statement, {}, reply, Soon());
  CHECK(reply.Value(0, 0) == needle);
}

TEST_CASE("postgres: target_session_attrs chooses among several hosts") {
  auto servers = Start(Topology::kPrimaryReplica);
  if (!servers) return;
  std::string both = servers->Url("db");
  both = both.substr(0, both.find(" target_session_attrs"));
  const auto check = [](const std::string& conninfo, bool expected, const char* needle) {
    CAPTURE(conninfo);
    Bench bench(ConfigOf(conninfo), 1);
    test::RunOn(bench.loop, DialThere(bench, expected, needle));
  };
  check(both, true, "f");
  check(both + " target_session_attrs=any", true, "f");
  check(both + " target_session_attrs=read-write", true, "f");
  check(both + " target_session_attrs=primary", true, "f");
  check(both + " target_session_attrs=read-only", true, "t");
  check(both + " target_session_attrs=standby", true, "t");
  check(both + " target_session_attrs=prefer-standby", true, "t");
  const std::string& first = servers->NodeUrl("db", 0);
  check(first + " target_session_attrs=standby", false, "not in hot standby mode");
  check(first + " target_session_attrs=prefer-standby", true, "f");
  servers->Act("db", ServerAction::kStop, 0, Soon());
  // A host that takes connections and is mute leaves time for the other one.
  check(both, true, "t");
  check(both + " target_session_attrs=primary", false, "timed out");
}

TEST_SUITE_END();

}  // namespace
}  // namespace perf::backends

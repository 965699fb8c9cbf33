// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_session.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dial_fails.hpp"
#include "libperf/backends/pqxx_face.hpp"
#include "libperf/base/error.hpp"
#include "pg_bench.hpp"

namespace perf::backends {
namespace {

using test::Parameters;
using test::PostgresConninfo;
using test::RunOn;
using test::Soon;
using Bench = test::PgBench;

Task<void> ErrorsLeaveItUsable(Bench& bench) {
  auto connection = co_await bench.Connect();
  SqlReply reply;
  co_await bench.Run(*connection, "selec 1", reply);
  CHECK(reply.failure.kind == ErrorKind::kStatus);
  CHECK(reply.sqlstate == "42601");
  CHECK(reply.failure.text.find("syntax error") != std::string::npos);
  CHECK(connection->Reusable());
  const SqlStatement& divide = bench.Statement("select 1 / $1::int");
  const Parameters zero = {"0"};
  co_await connection->Execute(divide, zero, reply, Soon());
  CHECK(reply.sqlstate == "22012");
  const Parameters broken_text = {std::string("a\0b", 3)};
  co_await connection->Execute(divide, broken_text, reply, Soon());
  CHECK(reply.failure.kind == ErrorKind::kStatus);
  const Parameters one = {"1"};
  co_await connection->Execute(divide, one, reply, Soon());
  CHECK(reply.Value(0, 0) == "1");
  co_await bench.Run(*connection, "do $$ begin raise notice 'hear me'; end $$", reply);
  CHECK_FALSE(reply.failure);
  CHECK(connection->Reusable());
}

TEST_CASE("postgres: a server error is told with its SQLSTATE and leaves the connection usable") {
  if (!PostgresConninfo()) return;
  for (const bool prepared : {true, false}) {
    Bench bench("", prepared);
    RunOn(bench.loop, ErrorsLeaveItUsable(bench));
  }
}

Task<void> StatesThatEndIt(Bench& bench) {
  SqlReply reply;
  auto connection = co_await bench.Connect();
  co_await bench.Run(*connection, "begin", reply);
  CHECK_FALSE(reply.failure);
  CHECK_FALSE(connection->Reusable());
  co_await bench.Run(*connection, "select 1 / 0", reply);
  CHECK_FALSE(connection->Reusable());
  co_await bench.Run(*connection, "rollback", reply);
  CHECK(connection->Reusable());

  co_await bench.Run(*connection, "copy (select 1) to stdout", reply);
  CHECK(reply.failure.text.find("COPY") != std::string::npos);
  CHECK_FALSE(connection->Reusable());

  connection = co_await bench.Connect();
  co_await bench.Run(*connection, "set default_transaction_read_only = on", reply);
  co_await bench.Run(*connection, "create table never(x int)", reply);
  CHECK(reply.sqlstate == "25006");
  CHECK_FALSE(connection->Reusable());
  CHECK_FALSE(connection->Alive());
}

TEST_CASE("postgres: open transactions, COPY and a demoted primary give a connection up") {
  if (!PostgresConninfo()) return;
  Bench bench;
  RunOn(bench.loop, StatesThatEndIt(bench));
}

Task<void> PreparedAnew(Bench& bench) {
  SqlReply reply;
  auto connection = co_await bench.Connect();
  co_await bench.Run(*connection, "select 5 as five", reply);
  co_await bench.Run(*connection, "deallocate all", reply);
  co_await bench.Run(*connection, "select 5 as five", reply);
  CHECK(reply.sqlstate == "26000");
  CHECK(connection->Reusable());
  co_await bench.Run(*connection, "deallocate all", reply);
  co_await bench.Run(*connection, "select 5 as five", reply);
  CHECK(reply.Value(0, 0) == "5");

  co_await bench.Run(*connection, "create temporary table shape(a int)", reply);
  co_await bench.Run(*connection, "select * from shape", reply);
  CHECK_FALSE(reply.failure);
  co_await bench.Run(*connection, "alter table shape add b int", reply);
  co_await bench.Run(*connection, "select * from shape", reply);
  CHECK(reply.sqlstate == "0A000");
  CHECK_FALSE(connection->Reusable());
}

TEST_CASE("postgres: statements that the server forgot are prepared again") {
  if (!PostgresConninfo()) return;
  Bench bench;
  RunOn(bench.loop, PreparedAnew(bench));
}

TEST_CASE("postgres: why a dial failed") {
  if (!PostgresConninfo()) return;
  const std::string port = std::to_string(test::ClosedPort());
  SUBCASE("closed port") {
    Bench bench(" host=127.0.0.1 port=" + port);
    RunOn(bench.loop, test::DialFails(*bench.connector, "refused"));
  }
  SUBCASE("no socket") {
    Bench bench(" host=/nowhere/at/all");
    RunOn(bench.loop, test::DialFails(*bench.connector, "No such file"));
  }
  SUBCASE("wrong database") {
    Bench bench(" dbname=absent");
    RunOn(bench.loop, test::DialFails(*bench.connector, "\"absent\" does not exist"));
  }
  SUBCASE("conninfo") {
    PostgresConfig config;
    config.conninfo = "host=/tmp colour=blue";
    EventLoop loop;
    CHECK_THROWS_WITH_AS(MakePostgresConnector(loop, config), doctest::Contains("colour"),
                         ConfigError);
  }
}

Task<void> ConnectsToSecond(Bench& bench) {
  auto connection = co_await bench.Connect();
  SqlReply reply;
  co_await bench.Run(*connection, "select 1", reply);
  CHECK(reply.Value(0, 0) == "1");
}

TEST_CASE("postgres: several hosts are tried in turn") {
  if (!PostgresConninfo()) return;
  const std::string& conninfo = *PostgresConninfo();
  const auto start = conninfo.find("host=") + 5;
  const std::string directory = conninfo.substr(start, conninfo.find(' ', start) - start);
  Bench bench(" host=127.0.0.1," + directory + " port=" + std::to_string(test::ClosedPort()) +
              ",5432");
  RunOn(bench.loop, ConnectsToSecond(bench));
}

TEST_CASE("postgres: a wrong password is told apart, a right one works") {
  if (!PostgresConninfo()) return;
  BlockingSql admin(*PostgresConninfo(), Soon());
  const auto file = admin.Run("show hba_file", Soon());
  REQUIRE(file.size() == 1);
  const std::string path = file[0][0].value();
  admin.Run(
      "set password_encryption = 'scram-sha-256'; "
      "create role locked login password 'right'",
      Soon());
  admin.Run(
      "copy (values ('local all locked scram-sha-256'), ('local all all trust')) to '" + path + "'",
      Soon());
  admin.Run("select pg_reload_conf()", Soon());
  // The reload is asynchronous; the file's rules are those of new sessions once it is through.
  const Deadline patience = Soon();
  for (bool loaded = false; !loaded;) {
    REQUIRE_FALSE(patience.Passed(Clock::now()));
    try {
      BlockingSql probe(*PostgresConninfo() + " user=locked", Soon());
    } catch (const IoError&) {
      loaded = true;
    }
  }
  Bench wrong(" user=locked password=wrong-secret");
  RunOn(wrong.loop, test::DialFails(*wrong.connector, "password authentication failed"));
  Bench right(" user=locked password=right");
  RunOn(right.loop, ConnectsToSecond(right));
}

/// Asks until the answer is the expected one; false where it never comes.
Task<bool> Eventually(Bench& bench, PostgresConnection& connection, const char* question,
                      std::string_view expected) {
  const Deadline patience = Soon();
  SqlReply reply;
  while (!patience.Passed(Clock::now())) {
    co_await bench.Run(connection, question, reply);
    if (reply.Rows() == 1 && reply.Value(0, 0) == expected) co_return true;
  }
  co_return false;
}

constexpr const char* kSleepers =
    "select count(*) from pg_stat_activity where query like 'select pg_sleep%' "
    "and state = 'active'";

Task<void> TimesOut(Bench& bench) {
  auto connection = co_await bench.Connect();
  auto watcher = co_await bench.Connect();
  const SqlStatement& sleep = bench.Statement("select pg_sleep(100)");
  SqlReply reply;
  const Deadline deadline = Deadline::After(Clock::now(), std::chrono::milliseconds(50));
  co_await connection->Execute(sleep, {}, reply, deadline);
  CHECK(reply.failure.kind == ErrorKind::kTimeout);
  CHECK(reply.timing.done >= deadline.At());
  CHECK_FALSE(connection->Reusable());
  // Still connected, so only the cancel request can have ended it.
  CHECK(co_await Eventually(bench, *watcher, kSleepers, "0"));
  co_await connection->Execute(sleep, {}, reply, deadline);
  CHECK(reply.failure.kind == ErrorKind::kProtocol);
  connection.reset();
  co_await bench.Run(*watcher, "select 1", reply);
  CHECK(reply.Value(0, 0) == "1");
}

TEST_CASE("postgres: a time-out gives the connection up and cancels the statement") {
  if (!PostgresConninfo()) return;
  Bench bench;
  RunOn(bench.loop, TimesOut(bench));
}

Task<void> Killed(Bench& bench, bool idle) {
  auto connection = co_await bench.Connect();
  auto killer = co_await bench.Connect();
  SqlReply reply;
  co_await bench.Run(*connection, "select pg_backend_pid()", reply);
  REQUIRE(reply.Rows() == 1);
  const Parameters pid = {std::string(*reply.Value(0, 0))};
  const SqlStatement& kill = bench.Statement("select pg_terminate_backend($1::int)");
  if (idle) {
    CHECK(connection->Alive());
    co_await killer->Execute(kill, pid, reply, Soon());
    const Deadline patience = Soon();
    while (connection->Alive() && !patience.Passed(Clock::now())) {
      co_await bench.Run(*killer, "select 1", reply);
    }
    CHECK_FALSE(connection->Alive());
    co_await bench.Run(*connection, "select 1", reply);
    CHECK(reply.failure);
    CHECK_FALSE(connection->Reusable());
    co_return;
  }
  SqlReply killed;
  bool done = false;
  const SqlStatement& sleep = bench.Statement("select pg_sleep(100)");
  const auto victim = [](PostgresConnection& c, const SqlStatement& s, SqlReply& r,
                         bool& d) -> Task<void> {
    co_await c.Execute(s, {}, r, Soon());
    d = true;
  };
  bench.loop.Spawn(victim(*connection, sleep, killed, done));
  CHECK(co_await Eventually(bench, *killer, kSleepers, "1"));
  co_await killer->Execute(kill, pid, reply, Soon());
  const Deadline patience = Soon();
  while (!done && !patience.Passed(Clock::now())) co_await bench.Run(*killer, "select 1", reply);
  REQUIRE(done);
  CHECK(killed.failure.kind == ErrorKind::kStatus);
  CHECK(killed.sqlstate == "57P01");
  CHECK_FALSE(connection->Reusable());
}

TEST_CASE("postgres: a session that the administrator ended") {
  if (!PostgresConninfo()) return;
  for (const bool idle : {false, true}) {
    CAPTURE(idle);
    Bench bench;
    RunOn(bench.loop, Killed(bench, idle));
  }
}

}  // namespace
}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/postgres.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "libperf/base/random.hpp"
#include "pg_bench.hpp"

namespace perf::backends {
namespace {

using test::Parameters;
using test::PostgresConninfo;
using test::RunOn;
using test::Soon;
using Bench = test::PgBench;

Task<void> RowsAndNulls(Bench& bench) {
  auto connection = co_await bench.Connect();
  const SqlStatement& statement = bench.Statement(
      "select g as number, $1::text as word, null as nothing, '' as empty "
      "from generate_series(1, $2::int) g");
  SqlReply reply;
  const Parameters parameters = {"Grüße", "3"};
  for (int round = 0; round < 3; ++round) {
    co_await connection->Execute(statement, parameters, reply, Soon());
    CHECK(reply.failure.text == "");
    REQUIRE(reply.Rows() == 3);
    REQUIRE(reply.Columns() == 4);
    CHECK(reply.ColumnName(0) == "number");
    CHECK(reply.ColumnName(2) == "nothing");
    CHECK(reply.ColumnName(4) == "");
    CHECK(reply.Value(2, 0) == "3");
    CHECK(reply.Value(0, 1) == "Grüße");
    CHECK(reply.Value(0, 2) == std::nullopt);
    CHECK(reply.Value(0, 3) == "");
    CHECK(reply.Value(3, 0) == std::nullopt);
    CHECK(reply.Affected() == 3);
    CHECK(reply.timing.sent <= reply.timing.first_byte);
    CHECK(reply.timing.first_byte <= reply.timing.done);
    CHECK(connection->Reusable());
  }
  const Parameters with_null = {std::nullopt, "1"};
  co_await connection->Execute(statement, with_null, reply, Soon());
  CHECK(reply.Value(0, 1) == std::nullopt);
  reply.Clear();
  CHECK(reply.Rows() == 0);
  co_await bench.Run(*connection, "create temporary table t(x int)", reply);
  CHECK_FALSE(reply.failure);
  co_await bench.Run(*connection, "insert into t select generate_series(1, 7)", reply);
  CHECK(reply.Affected() == 7);
  CHECK(connection->Alive());
}

TEST_CASE("postgres: rows, names, nulls and counts") {
  if (!PostgresConninfo()) return;
  for (const bool prepared : {true, false}) {
    CAPTURE(prepared);
    Bench bench("", prepared);
    RunOn(bench.loop, RowsAndNulls(bench));
  }
}

Task<void> BigValues(Bench& bench) {
  auto connection = co_await bench.Connect();
  std::string big(8 << 20, 'x');
  Random random(7);
  for (std::size_t i = 0; i < big.size(); i += 997) {
    big[i] = static_cast<char>('a' + random.Int(0, 25));
  }
  const SqlStatement& echo = bench.Statement("select $1::text, length($1::text)");
  const Parameters parameters = {big};
  SqlReply reply;
  for (int round = 0; round < 2; ++round) {
    co_await connection->Execute(echo, parameters, reply, Soon());
    CHECK(reply.failure.text == "");
    REQUIRE(reply.Rows() == 1);
    CHECK((reply.Value(0, 0) == big));
    CHECK(reply.Value(0, 1) == std::to_string(big.size()));
  }
  co_await bench.Run(*connection, "select repeat('y', 100), g from generate_series(1, 100000) g",
                     reply);
  REQUIRE(reply.Rows() == 100000);
  CHECK(reply.Value(99999, 1) == "100000");
  CHECK(connection->Reusable());
}

TEST_CASE("postgres: values of 8 MiB and results of many packets") {
  if (!PostgresConninfo()) return;
  Bench bench;
  RunOn(bench.loop, BigValues(bench));
}

struct Tally {
  int right = 0;
  int wrong = 0;
  int live = 0;
};

Task<void> Echo(Bench& bench, int user, int rounds, Tally& tally) {
  auto connection = co_await bench.Connect();
  Random random = Random(11).Fork(static_cast<std::uint64_t>(user));
  const SqlStatement& echo = bench.Statement("select $1::text as key, $2::int + 1");
  const SqlStatement& repeat = bench.Statement("select $1::text from generate_series(1, $2::int)");
  SqlReply reply;
  Parameters parameters(2);
  for (int round = 0; round < rounds; ++round) {
    const std::string key = std::to_string(random.Next());
    const auto number = random.Int(1, 50);
    parameters[0] = key;
    parameters[1] = std::to_string(number);
    const bool plain = random.Int(0, 1) == 0;
    const SqlStatement& statement = plain ? echo : repeat;
    co_await connection->Execute(statement, parameters, reply, Soon());
    const bool right = !reply.failure && reply.Value(0, 0) == key &&
                       (plain ? reply.Value(0, 1) == std::to_string(number + 1)
                              : reply.Rows() == static_cast<std::size_t>(number));
    ++(right ? tally.right : tally.wrong);
  }
  if (--tally.live == 0) bench.loop.Stop();
}

TEST_CASE("postgres: each of 10,000 replies belongs to its statement") {
  if (!PostgresConninfo()) return;
  Bench bench;
  Tally tally;
  tally.live = 16;
  for (int user = 0; user < 16; ++user) bench.loop.Spawn(Echo(bench, user, 625, tally));
  bench.loop.Run();
  CHECK(tally.right == 10000);
  CHECK(tally.wrong == 0);
}

Task<void> SleepForEver(Bench& bench, int& ready, std::vector<ErrorKind>& ends) {
  auto connection = co_await bench.Connect();
  const SqlStatement& sleep = bench.Statement("select pg_sleep(100)");
  SqlReply reply;
  if (++ready == 4) bench.loop.Post([&bench] { bench.loop.CancelAll(); });
  co_await connection->Execute(sleep, {}, reply, Deadline::Never());
  ends.push_back(reply.failure.kind);
  if (ends.size() == 4) bench.loop.Stop();
}

TEST_CASE("postgres: CancelAll unwinds statements without a deadline") {
  if (!PostgresConninfo()) return;
  Bench bench;
  int ready = 0;
  std::vector<ErrorKind> ends;
  for (int i = 0; i < 4; ++i) bench.loop.Spawn(SleepForEver(bench, ready, ends));
  bench.loop.Run();
  CHECK(ends == std::vector<ErrorKind>(4, ErrorKind::kTimeout));
}

}  // namespace
}  // namespace perf::backends

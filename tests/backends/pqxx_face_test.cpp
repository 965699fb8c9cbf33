// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pqxx_face.hpp"

#include <doctest/doctest.h>

#include <string>

#include "real_servers.hpp"

namespace perf::backends {
namespace {

using test::PostgresConninfo;
using test::Soon;

TEST_CASE("pqxx: scripts, errors and deadlines of the blocking face") {
  if (!PostgresConninfo()) return;
  BlockingSql session(*PostgresConninfo(), Soon());
  const auto rows = session.Run(
      "create temporary table guests(id int, name text); "
      "insert into guests values (1, 'Ann'), (2, null); "
      "select * from guests order by id",
      Soon());
  REQUIRE(rows.size() == 2);
  CHECK(rows[0][1] == "Ann");
  CHECK(rows[1][1] == std::nullopt);
  try {
    session.Run("select 1; select * from absent", Soon());
    FAIL("no error");
  } catch (const SqlError& error) {
    CHECK(error.SqlState() == "42P01");
    CHECK(std::string(error.what()).find("absent") != std::string::npos);
  }
  CHECK(session.Run("select count(*) from guests", Soon())[0][0] == "2");
  const Deadline deadline = Deadline::After(Clock::now(), std::chrono::milliseconds(50));
  CHECK_THROWS_WITH_AS(session.Run("select pg_sleep(100)", deadline),
                       doctest::Contains("timed out"), IoError);
  CHECK_THROWS_AS(session.Run("select 1", Soon()), IoError);
  RunSqlScripts(*PostgresConninfo(), {"select 1", "select 2; select 3"}, Soon());
  CHECK_THROWS_AS(BlockingSql("host=127.0.0.1 port=" + std::to_string(test::ClosedPort()), Soon()),
                  IoError);
}

}  // namespace
}  // namespace perf::backends

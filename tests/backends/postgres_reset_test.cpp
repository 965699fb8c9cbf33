// SPDX-License-Identifier: Apache-2.0
// What the next borrower of a PostgreSQL connection finds, also behind a real PgBouncer.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "libperf/backends/pqxx_face.hpp"
#include "libperf/base/units.hpp"
#include "pg_pool_bench.hpp"
#include "tests/backends/private_nginx.hpp"
#include "tests/backends/private_process.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;
using test::PostgresConninfo;
using test::Soon;
using Bench = test::PgPoolBench;

PostgresConfig Config(PostgresReset reset, std::vector<std::string> init = {}) {
  PostgresConfig config;
  config.conninfo = *PostgresConninfo();
  config.reset = reset;
  config.init = std::move(init);
  return config;
}

/// Runs `text` on a loan; the first value, "" for none, or the SQLSTATE of what failed.
Task<std::string> Ask(Bench& bench, Loan& loan, std::string text) {
  SqlReply reply;
  co_await bench.RunOn(loan, std::move(text), reply, Soon());
  if (reply.failure) co_return reply.sqlstate;
  co_return std::string(reply.Rows() > 0 ? reply.Value(0, 0).value_or("null") : "");
}

Task<std::string> Pid(Bench& bench, Loan& loan) {
  std::string pid = co_await Ask(bench, loan, "select pg_backend_pid()");
  co_return pid;
}

Task<void> ReturnsWithin(Bench& bench, bool failed, bool same) {
  Loan loan = co_await bench.Take();
  const std::string pid = co_await Pid(bench, loan);
  CHECK((co_await Ask(bench, loan, "create table if not exists kept(n int)")) == "");
  CHECK((co_await Ask(bench, loan, "begin")) == "");
  CHECK((co_await Ask(bench, loan, "insert into kept values (1)")) == "");
  if (failed) CHECK((co_await Ask(bench, loan, "select 1 / 0")) == "22012");
  loan.Return();
  loan = co_await bench.Take();
  CHECK(((co_await Pid(bench, loan)) == pid) == same);
  CHECK((co_await Ask(bench, loan, "select count(*) from kept")) == "0");
  CHECK((co_await Ask(bench, loan, "select pg_current_xact_id_if_assigned() is null")) == "t");
  CHECK(loan.As<PostgresConnection>().Reusable());
}

TEST_CASE("postgres: a transaction that was left open or failed does not reach the next borrower") {
  if (!PostgresConninfo()) return;
  for (const PostgresReset reset :
       {PostgresReset::kNone, PostgresReset::kRollback, PostgresReset::kDiscard}) {
    for (const bool failed : {false, true}) {
      CAPTURE(failed);
      CAPTURE(static_cast<int>(reset));
      Bench bench(Config(reset), 1);
      test::RunOn(bench.loop, ReturnsWithin(bench, failed, reset != PostgresReset::kNone));
    }
  }
}

Task<void> ForgetsAll(Bench& bench, bool discards) {
  Loan loan = co_await bench.Take();
  const std::string pid = co_await Pid(bench, loan);
  CHECK((co_await Ask(bench, loan, "show work_mem")) == "5MB");
  CHECK((co_await Ask(bench, loan, "set work_mem = '7MB'")) == "");
  CHECK((co_await Ask(bench, loan, "create temporary table mine(n int)")) == "");
  loan.Return();
  loan = co_await bench.Take();
  CHECK((co_await Pid(bench, loan)) == pid);
  CHECK((co_await Ask(bench, loan, "show work_mem")) == (discards ? "5MB" : "7MB"));
  CHECK((co_await Ask(bench, loan, "select count(*) from mine")) == (discards ? "42P01" : "0"));
  CHECK(loan.As<PostgresConnection>().Reusable());
}

TEST_CASE("postgres: what a session collected is discarded, what it began with is set again") {
  if (!PostgresConninfo()) return;
  for (const bool discards : {false, true}) {
    CAPTURE(discards);
    Bench bench(Config(discards ? PostgresReset::kDiscard : PostgresReset::kRollback,
                       {"set work_mem = '5MB'", "select 1; select 2"}),
                1);
    test::RunOn(bench.loop, ForgetsAll(bench, discards));
  }
}

Task<void> NoAnswer(Bench& bench) {
  Loan loan = co_await bench.Take();
  const auto pid = ParseInteger(co_await Pid(bench, loan));
  REQUIRE(pid.has_value());
  CHECK((co_await Ask(bench, loan, "begin")) == "");
  REQUIRE(::kill(static_cast<pid_t>(*pid), SIGSTOP) == 0);
  loan.Return();
  // It is the only place of the pool: it comes free when the reset is given up and the server has
  // ended the session.
  const bool given_up = co_await bench.Await([&] { return bench.pool->Core().Now().busy == 0; });
  REQUIRE(::kill(static_cast<pid_t>(*pid), SIGCONT) == 0);
  CHECK(given_up);
  loan = co_await bench.Take();
  CHECK(ParseInteger(co_await Pid(bench, loan)) != pid);
}

TEST_CASE("postgres: a server that does not answer the reset loses the connection") {
  if (!PostgresConninfo()) return;
  Bench bench(Config(PostgresReset::kRollback), 1, 100ms);
  test::RunOn(bench.loop, NoAnswer(bench));
}

Task<void> BadInit(Bench& bench, const char* needle) {
  auto dialled = co_await bench.connector->Dial(Soon());
  CHECK(dialled.connection == nullptr);
  CHECK(dialled.failure.kind == ErrorKind::kConnect);
  CAPTURE(dialled.failure.text);
  CHECK(dialled.failure.text.find(needle) != std::string::npos);
}

TEST_CASE("postgres: init statements that fail, or leave a transaction open, fail the dial") {
  if (!PostgresConninfo()) return;
  Bench wrong(Config(PostgresReset::kNone, {"select 1", "set colour = 'blue'"}), 1);
  test::RunOn(wrong.loop,
              BadInit(wrong, "init statement \"set colour = 'blue'\": unrecognized configuration"));
  Bench open(Config(PostgresReset::kRollback, {"begin"}), 1);
  test::RunOn(open.loop, BadInit(open, "leaves a transaction open"));
}

/// A real PgBouncer before the shared server, with two connections to it in transaction mode.
class Bouncer {
 public:
  explicit Bouncer(const std::string& program) {
    const std::string& conninfo = *PostgresConninfo();
    const auto start = conninfo.find("host=") + 5;
    const std::string sockets = conninfo.substr(start, conninfo.find(' ', start) - start);
    // It refuses to be root; and only the owner of the sockets' directory gets there.
    perf::test::GiveTo("postgres", directory_.Path());
    const std::string ini = directory_.Path() + "/pgbouncer.ini";
    std::ofstream(ini) << fmt::format(
        "[databases]\napp = host={} port=5432 user=postgres dbname=postgres\n"
        "[pgbouncer]\nlisten_port = 6432\nunix_socket_dir = {}\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\n",
        sockets, directory_.Path());
    process_ = std::make_unique<perf::test::PrivateProcess>(
        directory_.Path(), std::vector<std::string>{program, ini}, SIGTERM);
    REQUIRE(perf::test::AwaitListener(directory_.Path() + "/.s.PGSQL.6432", *process_));
  }
  std::string Conninfo() const {
    return fmt::format("host={} port=6432 user=postgres dbname=app", directory_.Path());
  }

 private:
  perf::test::TemporaryDirectory directory_;
  std::unique_ptr<perf::test::PrivateProcess> process_;
};

struct Count {
  int right = 0;
  int wrong = 0;
  int live = 0;
  std::string first_fault;
};

Task<void> UseBouncer(Bench& bench, int user, Count& count) {
  SqlReply reply;
  for (int round = 0; round < 50; ++round) {
    Loan loan = co_await bench.Take();
    const std::string value = fmt::format("{}-{}", user, round);
    SqlStatement statement;
    statement.text = round % 2 == 0 ? "select $1::text" : "select $1::text || ''";
    statement.id = bench.Id(statement.text);
    const std::vector<SqlParameter> parameters = {value};
    co_await loan.As<PostgresConnection>().Execute(statement, parameters, reply, Soon());
    const bool right = !reply.failure && reply.Value(0, 0) == value;
    ++(right ? count.right : count.wrong);
    if (!right && count.first_fault.empty()) count.first_fault = reply.failure.text;
    // Left open: the pool's reset has to end it, or it keeps one of the two to itself.
    if (round % 10 == 0) co_await bench.RunOn(loan, "begin", reply, Soon());
  }
  --count.live;
}

Task<void> ManyUsers(Bench& bench, Count& count) {
  count.live = 8;
  for (int user = 0; user < 8; ++user) bench.loop.Spawn(UseBouncer(bench, user, count));
  CHECK(co_await bench.Await([&] { return count.live == 0; }));
}

TEST_CASE("postgres: PgBouncer in transaction mode, without prepared statements") {
  if (!PostgresConninfo()) return;
  const std::string program = perf::test::FirstProgram({"/usr/sbin/pgbouncer"});
  if (program.empty()) {
    MESSAGE("SKIPPED: pgbouncer not found: install pgbouncer");
    return;
  }
  const Bouncer bouncer(program);
  PostgresConfig config;
  config.conninfo = bouncer.Conninfo();
  config.prepared = false;
  SUBCASE("rollback") { config.reset = PostgresReset::kRollback; }
  SUBCASE("discard") { config.reset = PostgresReset::kDiscard; }
  Bench bench(config, 8);
  Count count;
  test::RunOn(bench.loop, ManyUsers(bench, count));
  CHECK(count.first_fault == "");
  CHECK(count.right == 8 * 50);
  CHECK(bench.pool->Core().Totals().dialled == 8);
}

}  // namespace
}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
// A statement on a PostgreSQL that went mute, while another server takes over.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "pg_pool_bench.hpp"

namespace perf::backends {
namespace {

using test::PgPoolBench;
using test::Soon;

TEST_SUITE_BEGIN("topologies");

/// A primary with its replica; none where the machine lacks the server.
PrivateServers StartPair() {
  PrivateSpec spec;
  spec.name = "db";
  spec.kind = PrivateSpec::Kind::kPostgres;
  spec.topology = Topology::kPrimaryReplica;
  try {
    return PrivateServers::Start(std::array{spec},
                                 Deadline::After(Clock::now(), std::chrono::minutes(1)));
  } catch (const UnreachableError& error) {
    if (std::string_view(error.what()).find("not found: install") == std::string_view::npos) throw;
    MESSAGE("SKIPPED: " << std::string(error.what()));
    return {};
  }
}

struct Asked {
  SqlReply reply;
  bool done = false;
};

Task<void> Ask(PgPoolBench& bench, Loan& loan, Asked& asked) {
  const Deadline never = Deadline::After(Clock::now(), std::chrono::minutes(10));
  co_await bench.RunOn(loan, "select 1", asked.reply, never);
  asked.done = true;
}

/// Until the one that looks after roles has asked the primary: then it knows who that is.
Task<void> AwaitWatch(PgPoolBench& bench, Loan& loan) {
  const std::string text =
      "select count(*) from pg_stat_activity where application_name = 'perfkit role watch' and "
      "state = 'idle' and query like '%pg_is_in_recovery%'";
  SqlReply reply;
  const Deadline patience = Soon();
  do {
    co_await bench.RunOn(loan, text, reply, patience);
    CHECK(reply.failure.text == "");
  } while (!reply.failure && reply.Value(0, 0) == "0" && !patience.Passed(Clock::now()));
  CHECK(reply.Value(0, 0) == "1");
}

Task<void> GoMute(PgPoolBench& bench, PrivateServers& servers) {
  std::vector<Loan> loans = co_await bench.TakeAll(2);
  co_await AwaitWatch(bench, loans[0]);
  servers.Act("db", ServerAction::kStop, {}, Soon());
  std::array<Asked, 2> asked;
  for (std::size_t i = 0; i < 2; ++i) bench.loop.Spawn(Ask(bench, loans[i], asked[i]));
  std::atomic<bool> promoted{false};
  std::string error;
  std::thread operator_([&] {
    try {
      servers.Act("db", ServerAction::kPromote, {},
                  Deadline::After(Clock::now(), std::chrono::minutes(1)));
    } catch (const std::exception& failure) {
      error = failure.what();
    }
    promoted = true;
  });
  while (!promoted) co_await bench.loop.SleepUntil(Clock::now() + std::chrono::milliseconds(5));
  operator_.join();
  CHECK(error == "");
  CHECK(co_await bench.Await([&] { return asked[0].done && asked[1].done; }));
  // What they were asked for has long come or will never; the frames of Ask must not outlive us.
  for (const Asked& one : asked) {
    CHECK(one.reply.failure.kind == ErrorKind::kProtocol);
    CHECK_MESSAGE(one.reply.failure.text.find("does not answer, and ") != std::string::npos,
                  one.reply.failure.text);
  }
  for (Loan& loan : loans) CHECK_FALSE(loan.As<PostgresConnection>().Reusable());
  if (!asked[0].done || !asked[1].done) servers.Stop();
  while (!asked[0].done || !asked[1].done) {
    co_await bench.loop.SleepUntil(Clock::now() + std::chrono::milliseconds(5));
  }
}

TEST_CASE("postgres: statements on a primary that went mute end when another one took over") {
  PrivateServers servers = StartPair();
  if (!servers.Has("db")) return;
  PostgresConfig config;
  config.conninfo = servers.Url("db");
  PgPoolBench bench(config, 2);
  test::RunOn(bench.loop, GoMute(bench, servers));
}

TEST_SUITE_END();

}  // namespace
}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "libperf/backends/private_topology.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

constexpr auto kStep = 10ms;

/// The first value of the first row. Blocks: for children that are killed when they are late.
std::string Ask(const std::string& conninfo, const std::string& sql) {
  const std::unique_ptr<PGconn, decltype(&::PQfinish)> connection(
      ::PQconnectdb((conninfo + " connect_timeout=5 application_name=perfkit_guard").c_str()),
      &::PQfinish);
  const std::unique_ptr<PGresult, decltype(&::PQclear)> result(
      ::PQexec(connection.get(), sql.c_str()), &::PQclear);
  if (::PQresultStatus(result.get()) != PGRES_TUPLES_OK || ::PQntuples(result.get()) == 0)
    throw IoError(std::string(Trim(::PQerrorMessage(connection.get()))));
  return ::PQgetvalue(result.get(), 0, 0);
}

}  // namespace

void AwaitReplication(const std::string& conninfo, Deadline deadline) {
  while (Ask(conninfo, "select count(*) from pg_stat_replication where state = 'streaming'") ==
         "0") {
    if (deadline.Passed(Clock::now())) throw IoError("no replica streams");
    std::this_thread::sleep_for(kStep);
  }
}

void PromotePostgres(const std::string& conninfo, Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(
      std::min<Duration>(deadline.Remaining(Clock::now()), 60s));
  if (Ask(conninfo, fmt::format("select pg_promote(true, {})", std::max<long>(1, left.count()))) !=
      "t")
    throw IoError("pg_promote was not done in time");
}

}  // namespace perf::backends

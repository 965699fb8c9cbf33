// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libperf/backends/postgres.hpp"
#include "libperf/monitor/watch/exposition_line.hpp"
#include "libperf/monitor/watch/figures.hpp"
#include "libperf/monitor/watch/kept_connection.hpp"
#include "libperf/monitor/watch/probe.hpp"

namespace perf::monitor {
namespace {

using backends::PostgresConnection;
using backends::SqlReply;
using backends::SqlStatement;

// Both views may be read by anybody; of other users' sessions the state is hidden from those who
// are not in pg_monitor, and counts as "other".
constexpr const char* kActivity =
    "SELECT count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE state = 'idle'), "
    "count(*) FILTER (WHERE state LIKE 'idle in transaction%'), "
    "count(*) FILTER (WHERE state IS NULL OR state NOT IN ('active', 'idle', "
    "'idle in transaction', 'idle in transaction (aborted)')), "
    "count(*) FILTER (WHERE wait_event_type = 'Lock'), "
    "coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0), "
    "current_setting('max_connections'), pg_is_in_recovery()::int, "
    "extract(epoch FROM pg_postmaster_start_time()) "
    "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
constexpr const char* kDatabases =
    "SELECT sum(xact_commit), sum(xact_rollback), sum(blks_hit), sum(blks_read), sum(deadlocks), "
    "sum(temp_bytes), sum(tup_fetched), sum(tup_inserted), sum(tup_updated), sum(tup_deleted) "
    "FROM pg_stat_database";

using Column = FigureSpec;

constexpr auto kGauge = metrics::Type::kGauge;
constexpr auto kCounter = metrics::Type::kCounter;
constexpr const char* kConnections = "Sessions of other clients by state.";
constexpr std::array kActivityColumns{
    Column{"perfkit_postgresql_connections", kConnections, kGauge, "state", "active"},
    Column{"perfkit_postgresql_connections", kConnections, kGauge, "state", "idle"},
    Column{"perfkit_postgresql_connections", kConnections, kGauge, "state", "idle_in_transaction"},
    Column{"perfkit_postgresql_connections", kConnections, kGauge, "state", "other"},
    Column{"perfkit_postgresql_waiting_connections", "Sessions that wait for a lock.", kGauge,
           nullptr, nullptr},
    Column{"perfkit_postgresql_longest_transaction_seconds", "Age of the oldest open transaction.",
           kGauge, nullptr, nullptr},
    Column{"perfkit_postgresql_connections_max", "Most sessions.", kGauge, nullptr, nullptr},
    Column{"perfkit_postgresql_in_recovery", "1 for a replica, or while it recovers.", kGauge,
           nullptr, nullptr},
    Column{"perfkit_postgresql_start_time_seconds", "Start of the server since 1970.", kGauge,
           nullptr, nullptr}};
constexpr const char* kTransactions = "Transactions of all databases by result.";
constexpr const char* kBlocks = "Blocks read by where they were found.";
constexpr const char* kRows = "Rows by operation.";
constexpr std::array kDatabaseColumns{
    Column{"perfkit_postgresql_transactions_total", kTransactions, kCounter, "result", "commit"},
    Column{"perfkit_postgresql_transactions_total", kTransactions, kCounter, "result", "rollback"},
    Column{"perfkit_postgresql_blocks_total", kBlocks, kCounter, "source", "memory"},
    Column{"perfkit_postgresql_blocks_total", kBlocks, kCounter, "source", "disk"},
    Column{"perfkit_postgresql_deadlocks_total", "Deadlocks.", kCounter, nullptr, nullptr},
    Column{"perfkit_postgresql_temporary_bytes_total", "Bytes written to temporary files.",
           kCounter, nullptr, nullptr},
    Column{"perfkit_postgresql_rows_total", kRows, kCounter, "operation", "fetch"},
    Column{"perfkit_postgresql_rows_total", kRows, kCounter, "operation", "insert"},
    Column{"perfkit_postgresql_rows_total", kRows, kCounter, "operation", "update"},
    Column{"perfkit_postgresql_rows_total", kRows, kCounter, "operation", "delete"}};

template <std::size_t N>
void AddRow(const SqlReply& reply, const std::array<Column, N>& columns, ProbeResult& result) {
  if (reply.Rows() == 0) return;
  const Figures figures(result);
  for (std::size_t i = 0; i < N && i < reply.Columns(); ++i) {
    const std::optional<std::string_view> text = reply.Value(0, i);
    const std::optional<double> value = text ? ReadGoNumber(*text) : std::nullopt;
    if (value) figures.Add(columns[i], *value);
  }
}

class PostgresProbe final : public Probe {
 public:
  explicit PostgresProbe(std::unique_ptr<backends::PostgresConnector> connector)
      : connection_(std::move(connector)) {}
  void Close() noexcept override { connection_.Close(); }

  Task<void> Ask(ProbeResult& result, Deadline deadline) override {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const bool is_new = co_await connection_.Ready(result.failure, deadline);
      if (result.failure) co_return;
      co_await Query(result, deadline);
      if (!connection_.RetryAfter(result.failure, is_new)) co_return;
    }
  }

 private:
  Task<void> Query(ProbeResult& result, Deadline deadline) {
    SqlReply reply;
    co_await connection_.Get().Execute(activity_, {}, reply, deadline);
    if (!reply.failure) {
      AddRow(reply, kActivityColumns, result);
      reply.Clear();
      co_await connection_.Get().Execute(databases_, {}, reply, deadline);
      if (!reply.failure) AddRow(reply, kDatabaseColumns, result);
    }
    result.failure = std::move(reply.failure);
    if (result.failure) result.figures.clear();
  }
  const SqlStatement activity_{kActivity, 1};
  const SqlStatement databases_{kDatabases, 2};
  KeptConnection<backends::PostgresConnector, PostgresConnection> connection_;
};

}  // namespace

std::unique_ptr<Probe> MakePostgresProbe(backends::EventLoop& loop, const WatchTarget& target) {
  backends::PostgresConfig config;
  config.conninfo = target.url;
  config.application_name = "perfkit-watch";
  config.prepared = false;  // it may be a PgBouncer
  return std::make_unique<PostgresProbe>(backends::MakePostgresConnector(loop, std::move(config)));
}

}  // namespace perf::monitor

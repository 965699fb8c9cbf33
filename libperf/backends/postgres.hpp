// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"

struct pg_result;

namespace perf::backends {

/// A statement with $1, $2 … ; `id` is stable and unique per text within a run, so that a
/// connection knows whether it has prepared it already.
struct SqlStatement {
  std::string text;
  std::uint32_t id = 0;
};

/// A parameter as text; nothing stands for NULL.
using SqlParameter = std::optional<std::string>;

/// The rows stay in libpq's memory until Clear: values nobody asks for are never copied.
/// Thread safety: none. Lifetime: owns the result; views die with it.
class PERF_EXPORT SqlReply {
 public:
  Failure failure;
  Timing timing;
  std::string sqlstate;  // five characters after a server error
  SqlReply() noexcept;
  ~SqlReply();
  SqlReply(const SqlReply&) = delete;
  SqlReply& operator=(const SqlReply&) = delete;

  void Clear() noexcept;
  std::size_t Rows() const noexcept;
  std::size_t Columns() const noexcept;
  std::string_view ColumnName(std::size_t column) const noexcept;
  /// Nothing for NULL.
  std::optional<std::string_view> Value(std::size_t row, std::size_t column) const noexcept;
  /// Rows of a SELECT, or rows changed.
  std::uint64_t Affected() const noexcept;
  void Adopt(pg_result* result) noexcept;

 private:
  pg_result* result_ = nullptr;
};

/// What PostgresConnection::Reset does before the next borrower.
enum class PostgresReset {
  kNone,      // nothing: a connection in a transaction is not Reusable, so the pool closes it
  kRollback,  // ROLLBACK where a transaction is open or has failed
  kDiscard,   // that, then DISCARD ALL and the init statements again, after each use
};

struct PostgresConfig {
  /// URI or key=value, as libpq takes it. Of several hosts each is dialled for its share of the
  /// time (or connect_timeout), those that failed lately last; with target_session_attrs
  /// read-write or primary their roles are watched, see OnStale.
  std::string conninfo;
  std::string application_name = "perfkit";
  bool prepared = true;  // false for PgBouncer in transaction mode
  /// Not kNone: then whoever lends the connections calls Reset at their return.
  PostgresReset reset = PostgresReset::kNone;
  std::vector<std::string> init;  // statements that begin each session
  /// Says how many sessions each server may have now, those included that were closed and that it
  /// has not ended yet: a pool's max. A dial that has no place there waits for one, to its
  /// deadline, and then fails as "farewell overdue". Empty: closed sessions are forgotten.
  std::function<std::size_t()> most;
  /// Where not 0: connections go to this port of 127.0.0.1 instead (a fault proxy). The name that
  /// verify-full and the password file go by stays.
  std::uint16_t via_port = 0;
};

class PERF_EXPORT PostgresConnection : public Connection {
 public:
  /// Runs one statement; never throws for what the server did: see `reply.failure`.
  /// A server error leaves the connection usable unless its class says otherwise (08, 57P01-57P03,
  /// 25006); a time-out sends a cancel request and gives the connection up.
  virtual Task<void> Execute(const SqlStatement& statement,
                             std::span<const SqlParameter> parameters, SqlReply& reply,
                             Deadline deadline) = 0;
  /// Makes it as good as new, as the config says; false: it cannot be used any more.
  virtual Task<bool> Reset(Deadline deadline) = 0;
};

/// Reset for ConnectionPool::Options::reset.
PERF_EXPORT Task<bool> ResetPostgres(Connection& connection, Deadline deadline);

/// Thread safety: none; belongs to its loop's thread. Lifetime: outlives its dials, and goes when
/// EventLoop::Live() is 0, as a pool; its connections may live longer.
class PERF_EXPORT PostgresConnector {
 public:
  virtual ~PostgresConnector();
  virtual Task<Dialled<PostgresConnection>> Dial(Deadline deadline) = 0;
  /// `call` runs on a turn of the loop of its own, once for all connections dialled so far, when
  /// one of them was told SQLSTATE 08…, 25006 or 57P01 to 57P03, or (of several hosts) was lost or
  /// is of another role now, or when the watch, each 250 ms, finds another primary. To be wired
  /// to ConnectionPool::Invalidate.
  virtual void OnStale(std::function<void()> call) = 0;
};

/// Throws: ConfigError for a conninfo that libpq rejects.
PERF_EXPORT std::unique_ptr<PostgresConnector> MakePostgresConnector(EventLoop& loop,
                                                                     PostgresConfig config);

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// What a server refused: what() holds its message, sqlstate() its code (empty when the
/// connection was lost or the deadline passed).
class PERF_EXPORT SqlError : public IoError {
 public:
  SqlError(const std::string& message, std::string sqlstate)
      : IoError(message), sqlstate_(std::move(sqlstate)) {}
  ~SqlError() override;
  const std::string& SqlState() const noexcept { return sqlstate_; }

 private:
  std::string sqlstate_;
};

/// The blocking face of PostgreSQL, by libpqxx: for setup, teardown and administration.
/// Thread safety: none; one thread at a time. Never used on an event loop.
class PERF_EXPORT BlockingSql {
 public:
  using Row = std::vector<std::optional<std::string>>;

  /// Connects. Throws: IoError where it cannot by the deadline; ConfigError for a bad conninfo.
  BlockingSql(const std::string& conninfo, Deadline deadline);
  ~BlockingSql();
  BlockingSql(const BlockingSql&) = delete;
  BlockingSql& operator=(const BlockingSql&) = delete;

  /// Runs one or more statements, separated by semicolons. As in psql -c, they form one
  /// transaction unless the text has its own BEGIN and COMMIT. Returns the rows of the last one.
  /// Throws: SqlError; after one that timed out the connection is gone and each call throws.
  std::vector<Row> Run(const std::string& script, Deadline deadline);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Connects and runs each script in turn. Throws: as BlockingSql.
PERF_EXPORT void RunSqlScripts(const std::string& conninfo, const std::vector<std::string>& scripts,
                               Deadline deadline);

}  // namespace perf::backends

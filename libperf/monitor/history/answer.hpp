// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "libperf/monitor/history/database.hpp"
#include "libperf/monitor/history/layout.hpp"
#include "libperf/monitor/history/query.hpp"

namespace perf::monitor {

/// Reads cells wherever they stand, rows or chunks.
/// Thread safety: none. Lifetime: within its database. Throws: SqlError.
class CellSource {
 public:
  explicit CellSource(Database& database);
  /// Those of a series that begin from `from` to before `to`, added to what is there.
  void Read(Tier tier, std::int64_t series, std::int64_t from, std::int64_t to, Cells& into);
  /// The start of a tier's oldest cell, to the stretch of a chunk.
  std::optional<std::int64_t> Oldest(Tier tier);

 private:
  void ReadChunks(Tier tier, std::int64_t series, std::int64_t from, std::int64_t to, Cells& into);
  void ReadRows(Tier tier, std::int64_t series, std::int64_t from, std::int64_t to, Cells& into);
  Database& database_;
  Statement chunk_, row_;
};

/// What a point of a metric of that type says; nothing where the cell does not tell.
std::optional<double> ValueOf(const Cell& cell, metrics::Type type, const Aggregate& aggregate);
/// Throws: ConfigError where the aggregate does not suit the type.
void CheckSuits(const Aggregate& aggregate, metrics::Type type, const std::string& metric);
/// See HistoryReader::Query. One consistent state of the database.
HistoryAnswer AnswerQuery(Database& database, const HistoryQuery& query);

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::load {

/// How a flow's iterations draw rows: in turn over the whole run (`sequential`, by seq), at
/// random, or the same row for the same user (`unique`: the user id-th counted from 0, an error
/// at start when there are more users than rows).
enum class DataOrder { kSequential, kRandom, kUnique };

/// Rows from a CSV file (RFC 4180, first line names the columns) or JSON lines (columns are the
/// keys of the first object, which each line must have). Empty lines are skipped.
/// Thread safety: const after Load. Bounded: 256 MiB of text, 10^7 rows, 4,096 columns,
/// 4·10^7 cells.
class PERF_EXPORT DataSet {
 public:
  /// The format is chosen by the suffix: .csv, .jsonl, .ndjson. Throws: ConfigError with
  /// file:line for a missing file, an uneven row, bad quoting, an empty file, a duplicate column.
  static DataSet Load(const std::string& path, DataOrder order);
  static DataSet FromCsv(std::string_view text, const std::string& name, DataOrder order);
  static DataSet FromJsonLines(std::string_view text, const std::string& name, DataOrder order);

  const std::vector<std::string>& Columns() const noexcept { return columns_; }
  std::size_t Rows() const noexcept { return rows_.size(); }
  DataOrder Order() const noexcept { return order_; }
  /// Null where `unique` has no row for that user, and without rows.
  const std::vector<std::string>* Draw(Random& random, std::int64_t seq,
                                       std::int64_t user_id) const noexcept;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
  DataOrder order_ = DataOrder::kSequential;
};

}  // namespace perf::load

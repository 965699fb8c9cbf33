// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::load {

/// How a flow's iterations draw rows: in turn over the whole run (`sequential`, by seq), at
/// random, or the same row for the same user (`unique`: the user id-th, an error at start when
/// there are more users than rows).
enum class DataOrder { kSequential, kRandom, kUnique };

/// Rows from a CSV file (RFC 4180, first line names the columns) or JSON lines (columns are the
/// keys of the first object).
/// Thread safety: const after Load. Bounded: 256 MiB of text, 10^7 rows.
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
  const std::vector<std::string>* Draw(Random& random, std::int64_t seq,
                                       std::int64_t user_id) const noexcept;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
  DataOrder order_ = DataOrder::kSequential;
};

}  // namespace perf::load

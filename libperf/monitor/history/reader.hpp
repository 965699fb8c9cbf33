// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/monitor/history/query.hpp"

namespace perf::monitor {

/// Reads a history, whether or not an agent writes it at the same time; changes nothing.
/// Thread safety: all methods (they take turns). Lifetime: none. Sees what is on disk, so what
/// was recorded a moment ago may not be there yet.
class PERF_EXPORT HistoryReader {
 public:
  /// Throws: IoError that names the path and what is wrong: no such file, no permission, damaged,
  /// or written by a newer version.
  explicit HistoryReader(const std::string& path);
  ~HistoryReader();
  HistoryReader(const HistoryReader&) = delete;
  HistoryReader& operator=(const HistoryReader&) = delete;

  /// Answers from the coarsest tier whose step is not longer than the one asked for; where that
  /// tier does not reach back to `from`, from the next coarser one that does, if any has older
  /// data. The step grows, to a multiple of the tier's, until max_points suffice. What the tier
  /// does not have yet (its newest stretch) comes from the finer ones.
  /// Throws: ConfigError where the aggregate does not suit the metric's type, `to` is not after
  /// `from`, or a limit is out of its range; IoError.
  HistoryAnswer Query(const HistoryQuery& query) const;
  /// All series that are kept, by name and labels. Throws: IoError.
  std::vector<HistorySeries> Series() const;
  /// What PutState put last under that name. Throws: IoError.
  std::optional<std::string> State(std::string_view name) const;
  /// All names that begin so, with their values. Throws: IoError.
  std::map<std::string, std::string> States(std::string_view prefix) const;
  /// Time of the newest sample; nothing in an empty history. Throws: IoError.
  std::optional<WallTime> Newest() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::monitor

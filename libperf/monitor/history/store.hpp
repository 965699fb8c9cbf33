// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libperf/monitor/history/copy.hpp"
#include "libperf/monitor/history/database.hpp"
#include "libperf/monitor/history/growth.hpp"
#include "libperf/monitor/history/layout.hpp"
#include "libperf/monitor/history/schema.hpp"
#include "libperf/monitor/history/selection.hpp"

namespace perf::monitor {

/// The database as its one writer has it.
/// Thread safety: none. All methods throw SqlError; what they began is then rolled back.
class Store {
 public:
  Store(const HistoryOptions& options, WallTime now);

  /// The start of the newest cell of a first tier.
  std::optional<std::int64_t> Newest(Tier first);
  /// Writes what the series did since the batch before, and rolls up what is complete by then; all
  /// or nothing. What was written is told.
  std::vector<WrittenCell> Append(Batch batch);
  /// Packs, drops what is too old, and holds the limit of bytes; each step by itself.
  void Upkeep(WallTime now);
  void PutState(const std::string& name, const std::optional<std::string>& value);
  /// For a full disk: drops the oldest twentieth and gives its space back; whether there was any.
  bool Relieve();

  std::uint64_t SizeBytes();
  std::array<std::int64_t, kTiers> CellCounts() const noexcept { return cells_; }
  std::uint64_t DroppedCells() const noexcept { return dropped_; }

 private:
  struct Member {
    std::shared_ptr<const SeriesName> name;
    std::int64_t id = 0;
    std::int64_t hour = 0;  // `last` in the database
    Seen seen;
  };
  Member& MemberOf(const std::shared_ptr<const SeriesName>& name, std::int64_t now);
  void Insert(Tier tier, std::int64_t start, std::int64_t series, const Cell& cell);
  void RollUp(Tier tier, std::int64_t until);
  void Pack(Tier tier, std::int64_t now);
  void PackSpan(Tier tier, std::int64_t start);
  void PackSeries(Tier tier, std::int64_t start, std::int64_t first, std::int64_t last);
  void DropOld(std::int64_t now);
  void HoldBytes();
  bool DropTwentieth();
  std::int64_t DropOldest();
  std::int64_t Drop(const char* table, std::int64_t from, std::int64_t to);
  std::int64_t First(const char* table, Tier tier);
  std::int64_t UsedBytes();
  void ReadTiers();
  void CountCells();

  HistoryOptions options_;
  Layout layout_;
  std::unique_ptr<Database> database_;
  Reserve reserve_;
  Statement insert_, insert_series_;
  std::unordered_map<const SeriesName*, Member> members_;
  std::array<std::int64_t, kTiers> rolled_{};
  std::array<std::int64_t, kTiers> cells_{};
  std::uint64_t dropped_ = 0;
  std::int64_t kept_hour_ = 0;  // for which what is too old was dropped
};

/// The cell of a row of the table rows, whose columns after the key begin at `column`.
Cell RowCell(const Statement& row, int column);

}  // namespace perf::monitor

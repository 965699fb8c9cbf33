// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/store.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "libperf/monitor/history/codec.hpp"
#include "libperf/monitor/history/schema.hpp"

namespace perf::monitor {
namespace {

constexpr std::string_view kInsert =
    "INSERT OR REPLACE INTO rows(key, count, sum, min, max, seconds, counts) "
    "VALUES(?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kInsertSeries =
    "INSERT INTO series(metric, labels, type, unit, first_tier, last) VALUES(?, ?, ?, ?, ?, ?) "
    "ON CONFLICT(metric, labels, type) DO UPDATE SET unit = excluded.unit, "
    "first_tier = excluded.first_tier, last = excluded.last RETURNING id";

}  // namespace

Cell RowCell(const Statement& row, int column) {
  Cell cell;
  cell.count = static_cast<std::uint64_t>(row.Int(column));
  cell.sum = row.Double(column + 1);
  cell.min = row.Double(column + 2);
  cell.max = row.Double(column + 3);
  cell.seconds = row.Double(column + 4);
  if (!row.IsNull(column + 5)) cell.counts = DecodeCounts(row.Blob(column + 5));
  return cell;
}

Store::Store(const HistoryOptions& options, WallTime now)
    : options_(options),
      layout_(options),
      database_(OpenChecked(options.path, now)),
      reserve_(options.path + ".reserve"),
      insert_(*database_, kInsert),
      insert_series_(*database_, kInsertSeries) {
  ReadTiers();
  CountCells();
  for (const Tier first : {kSystemTier, kAppTier}) {
    kept_hour_ = std::max(kept_hour_, Floor(Newest(first).value_or(0), 3600));
  }
}

void Store::ReadTiers() {
  Transaction transaction(*database_);
  for (std::size_t tier = 0; tier < kTiers; ++tier) {
    // The steps are for readers, who do not know our options.
    database_->Run(
        fmt::format("INSERT INTO tiers(id, name, step, rolled) VALUES({}, '{}', {}, 0) "
                    "ON CONFLICT(id) DO UPDATE SET step = excluded.step",
                    tier, kTierNames[tier], layout_.tiers[tier].step));
    rolled_[tier] = database_->Number(fmt::format("SELECT rolled FROM tiers WHERE id = {}", tier));
  }
  transaction.Commit();
}

void Store::CountCells() {
  for (std::size_t i = 0; i < kTiers; ++i) {
    const auto tier = static_cast<Tier>(i);
    const std::int64_t from = Key(tier, 0);
    const std::int64_t to = Key(static_cast<Tier>(i + 1), 0);
    cells_[i] = database_->Number(
        fmt::format("SELECT (SELECT count(*) FROM rows WHERE key >= {0} AND key < {1}) + "
                    "coalesce((SELECT sum(cells) FROM chunks WHERE key >= {0} AND key < {1}), 0)",
                    from, to));
  }
}

std::optional<std::int64_t> Store::Newest(Tier first) {
  const std::int64_t from = Key(first, 0);
  const std::int64_t to = Key(static_cast<Tier>(first + 1), 0);
  for (const char* table : {"rows", "chunks"}) {
    Statement newest(*database_, fmt::format("SELECT max(key) FROM {} WHERE key >= {} AND key < {}",
                                             table, from, to));
    if (newest.Step() && !newest.IsNull(0)) return TimeOf(newest.Int(0));
  }
  return std::nullopt;
}

Store::Member& Store::MemberOf(const std::shared_ptr<const SeriesName>& name, std::int64_t now) {
  Member& member = members_[name.get()];
  const std::int64_t hour = Floor(now, 3600);
  if (member.id != 0 && member.hour == hour) return member;
  insert_series_.Bind(1, name->metric)
      .Bind(2, name->labels_json)
      .Bind(3, static_cast<std::int64_t>(name->type))
      .Bind(4, name->unit)
      .Bind(5, static_cast<std::int64_t>(name->first))
      .Bind(6, hour);
  insert_series_.Step();
  member.id = insert_series_.Int(0);
  insert_series_.Reset();
  member.name = name;
  member.hour = hour;
  if (member.id > kMostSeries) {
    throw IoError(
        fmt::format("history {}: it has known {} series, more than its format can count: "
                    "move the file away",
                    options_.path, member.id));
  }
  return member;
}

void Store::Insert(Tier tier, std::int64_t start, std::int64_t series, const Cell& cell) {
  std::string counts;
  insert_.Bind(1, Key(tier, start, series))
      .Bind(2, static_cast<std::int64_t>(cell.count))
      .Bind(3, cell.sum)
      .Bind(4, cell.min)
      .Bind(5, cell.max)
      .Bind(6, cell.seconds);
  if (cell.counts) {
    counts = EncodeCounts(*cell.counts);
    insert_.BindBlob(7, counts);
  } else {
    insert_.BindNull(7);
  }
  insert_.Run();
}

std::vector<WrittenCell> Store::Append(Batch batch) {
  // A name that nobody else holds is out of the selection.
  std::erase_if(members_, [](const auto& one) {
    return one.second.name != nullptr && one.second.name.use_count() == 1;
  });
  std::vector<WrittenCell> written;
  const std::int64_t now = ToSeconds(batch.at);
  const auto rolled = rolled_;
  const auto cells = cells_;
  try {
    Transaction transaction(*database_);
    for (const Taken& taken : batch.taken) {
      const Tier first = taken.name->first;
      const Member& member = MemberOf(taken.name, now);
      const std::int64_t step = layout_.tiers[first].step;
      auto cell = Growth(member.seen, taken, batch.at, step);
      if (!cell) continue;
      Insert(first, Floor(now, step), member.id, *cell);
      ++cells_[first];
      written.push_back({taken.name->metric, taken.name->labels, taken.name->type,
                         first == kSystemTier, Floor(now, step), std::move(*cell)});
    }
    for (const Tier tier : {kMinutes, kQuarters}) {
      RollUp(tier, Floor(now, layout_.tiers[tier].step));
    }
    transaction.Commit();
  } catch (...) {
    rolled_ = rolled;
    cells_ = cells;
    // Ids that were given within it are gone with it.
    for (auto& [name, member] : members_) member.id = member.hour = 0;
    throw;
  }
  for (Taken& taken : batch.taken) {
    if (taken.name->type == metrics::Type::kGauge) continue;
    Seen& seen = members_.at(taken.name.get()).seen;
    Settle(seen, std::move(taken), batch.at);
  }
  return written;
}

void Store::RollUp(Tier tier, std::int64_t until) {
  if (until < rolled_[tier]) {
    // The clock was set back: what comes now is rolled up from here.
    rolled_[tier] = until;
  }
  const std::int64_t from = std::exchange(rolled_[tier], until);
  if (until == from) return;
  const std::int64_t step = layout_.tiers[tier].step;
  std::map<std::pair<std::int64_t, std::int64_t>, Cell> sums;  // by start and series
  for (const Tier first : {kSystemTier, kAppTier}) {
    if (layout_.tiers[first].step >= step) continue;
    Statement rows(*database_,
                   "SELECT key, count, sum, min, max, seconds, counts FROM rows "
                   "WHERE key >= ? AND key < ? ORDER BY key");
    rows.Bind(1, Key(first, from)).Bind(2, Key(first, until));
    while (rows.Step()) {
      const std::pair at(Floor(TimeOf(rows.Int(0)), step), SeriesOf(rows.Int(0)));
      const Cell cell = RowCell(rows, 1);
      if (const auto [found, fresh] = sums.emplace(at, cell); !fresh) found->second.Merge(cell);
    }
  }
  for (const auto& [at, cell] : sums) Insert(tier, at.first, at.second, cell);
  cells_[tier] += static_cast<std::int64_t>(sums.size());
  database_->Run(
      fmt::format("UPDATE tiers SET rolled = {} WHERE id = {}", until, static_cast<int>(tier)));
}

void Store::PutState(const std::string& name, const std::optional<std::string>& value) {
  if (value) {
    Statement put(*database_, "INSERT OR REPLACE INTO state(name, value) VALUES(?, ?)");
    put.Bind(1, name).Bind(2, *value).Run();
  } else {
    Statement drop(*database_, "DELETE FROM state WHERE name = ?");
    drop.Bind(1, name).Run();
  }
}

std::uint64_t Store::SizeBytes() {
  return static_cast<std::uint64_t>(database_->Number("PRAGMA page_count") *
                                    database_->Number("PRAGMA page_size"));
}

}  // namespace perf::monitor

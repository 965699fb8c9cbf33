// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "libperf/base/log.hpp"
#include "libperf/monitor/history/codec.hpp"
#include "libperf/monitor/history/store.hpp"

// What the store does besides writing: packs, and drops what is too old or too much.
namespace perf::monitor {
namespace {

// Series that are packed at once: bounds the memory of it.
constexpr std::size_t kSlice = 64;
constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();

}  // namespace

void Store::Upkeep(WallTime now) {
  const std::int64_t seconds = ToSeconds(now);
  for (std::size_t tier = 0; tier < kTiers; ++tier) Pack(static_cast<Tier>(tier), seconds);
  if (const std::int64_t hour = Floor(seconds, 3600); hour != kept_hour_) {
    // After a jump of more than a day the clock has to prove itself for an hour first: a wrong one
    // must not cost all that there is.
    if (hour > kept_hour_ && hour - kept_hour_ <= kLongestSpan) DropOld(seconds);
    kept_hour_ = hour;
  }
  if (!reserve_.Kept()) reserve_.Keep();
  HoldBytes();
}

std::int64_t Store::First(const char* table, Tier tier) {
  Statement first(*database_,
                  fmt::format("SELECT min(key) FROM {} WHERE key >= ? AND key < ?", table));
  first.Bind(1, Key(tier, 0)).Bind(2, Key(static_cast<Tier>(tier + 1), 0));
  return first.Step() && !first.IsNull(0) ? TimeOf(first.Int(0)) : kNone;
}

void Store::Pack(Tier tier, std::int64_t now) {
  // Only what no coarser tier has still to be made of.
  std::int64_t until = now;
  for (const Tier coarser : layout_.Of(tier)) {
    if (coarser != tier) until = std::min(until, rolled_[coarser]);
  }
  const std::int64_t span = layout_.tiers[tier].span;
  until = Floor(until, span);
  for (std::int64_t first = First("rows", tier); first < until; first = First("rows", tier)) {
    PackSpan(tier, Floor(first, span));
  }
}

void Store::PackSpan(Tier tier, std::int64_t start) {
  const std::int64_t end = start + layout_.tiers[tier].span;
  std::set<std::int64_t> series;
  {
    Statement keys(*database_, "SELECT key FROM rows WHERE key >= ? AND key < ?");
    keys.Bind(1, Key(tier, start)).Bind(2, Key(tier, end));
    while (keys.Step()) series.insert(SeriesOf(keys.Int(0)));
  }
  Transaction transaction(*database_);
  for (auto next = series.begin(); next != series.end();) {
    const std::int64_t first = *next;
    std::int64_t last = first;
    for (std::size_t i = 0; i < kSlice && next != series.end(); ++i) last = *next++;
    PackSeries(tier, start, first, last);
  }
  Drop("rows", Key(tier, start), Key(tier, end));
  transaction.Commit();
}

void Store::PackSeries(Tier tier, std::int64_t start, std::int64_t first, std::int64_t last) {
  std::map<std::int64_t, Cells> packed;
  Statement rows(*database_,
                 "SELECT key, count, sum, min, max, seconds, counts FROM rows "
                 "WHERE key >= ? AND key < ? AND (key & ?) BETWEEN ? AND ?");
  rows.Bind(1, Key(tier, start)).Bind(2, Key(tier, start + layout_.tiers[tier].span));
  rows.Bind(3, kMostSeries).Bind(4, first).Bind(5, last);
  while (rows.Step()) {
    packed[SeriesOf(rows.Int(0))].emplace(TimeOf(rows.Int(0)), RowCell(rows, 1));
  }
  Statement before(*database_, "SELECT data FROM chunks WHERE key = ?");
  Statement write(*database_, "INSERT OR REPLACE INTO chunks(key, cells, data) VALUES(?, ?, ?)");
  for (auto& [series, cells] : packed) {
    const std::int64_t key = Key(tier, start, series);
    // Where the clock was set back there may be one already; the newer cells win.
    if (before.Bind(1, key).Step()) {
      if (auto older = DecodeCells(before.Blob(0), start)) cells.merge(*older);
      before.Reset();
    }
    const std::string data = EncodeCells(cells, start);
    write.Bind(1, key).Bind(2, static_cast<std::int64_t>(cells.size())).BindBlob(3, data).Run();
  }
}

std::int64_t Store::Drop(const char* table, std::int64_t from, std::int64_t to) {
  Statement drop(*database_, fmt::format("DELETE FROM {} WHERE key >= ? AND key < ?", table));
  drop.Bind(1, from).Bind(2, to).Run();
  return database_->Changes();
}

void Store::DropOld(std::int64_t now) {
  Transaction transaction(*database_);
  auto cells = cells_;
  std::int64_t longest = 0;
  for (std::size_t i = 0; i < kTiers; ++i) {
    const auto tier = static_cast<Tier>(i);
    const TierPlan& plan = layout_.tiers[i];
    longest = std::max(longest, plan.keep);
    const std::int64_t cut = now - plan.keep;
    const std::int64_t end = Key(tier, cut - plan.span);
    cells[i] -= database_->Number(
        fmt::format("SELECT coalesce(sum(cells), 0) FROM chunks WHERE key >= {} AND key < {}",
                    Key(tier, 0), end));
    Drop("chunks", Key(tier, 0), end);
    cells[i] -= Drop("rows", Key(tier, 0), Key(tier, cut));
  }
  database_->Run(
      fmt::format("DELETE FROM series WHERE last < {}", now - longest - 2 * kLongestSpan));
  transaction.Commit();
  cells_ = cells;
}

std::int64_t Store::UsedBytes() {
  return (database_->Number("PRAGMA page_count") - database_->Number("PRAGMA freelist_count")) *
         database_->Number("PRAGMA page_size");
}

std::int64_t Store::DropOldest() {
  // The chunk that begins first, whatever its tier, and its neighbours of the same stretch.
  std::int64_t start = kNone;
  const char* from = "chunks";
  auto tier = kSystemTier;
  for (const char* table : {"chunks", "rows"}) {
    for (std::size_t i = 0; i < kTiers; ++i) {
      const std::int64_t first = First(table, static_cast<Tier>(i));
      if (first >= start) continue;
      start = first;
      tier = static_cast<Tier>(i);
      from = table;
    }
    if (start != kNone) break;
  }
  if (start == kNone) return 0;
  const bool chunks = std::string_view(from) == "chunks";
  const std::int64_t begin = Key(tier, start);
  const std::int64_t end = Key(tier, start + (chunks ? 1 : 300));
  std::int64_t gone = chunks ? database_->Number(fmt::format(
                                   "SELECT coalesce(sum(cells), 0) FROM chunks WHERE key >= {} AND "
                                   "key < {}",
                                   begin, end))
                             : 0;
  const std::int64_t rows = Drop(from, begin, end);
  if (!chunks) gone = rows;
  cells_[tier] -= gone;
  dropped_ += static_cast<std::uint64_t>(gone);
  return rows;
}

void Store::HoldBytes() {
  const auto most = static_cast<std::int64_t>(options_.max_bytes);
  if (UsedBytes() > most) {
    const std::uint64_t before = dropped_;
    Transaction transaction(*database_);
    while (UsedBytes() > most - most / 20 && DropOldest() > 0) {
    }
    transaction.Commit();
    Log(LogLevel::kWarn,
        "history {}: more than {} bytes; the oldest {} rows are dropped, whatever their age{}",
        options_.path, most, dropped_ - before,
        UsedBytes() > most ? ", and it is still too large: delete runs or raise the limit" : "");
  }
  if (static_cast<std::int64_t>(SizeBytes()) > most) {
    Statement vacuum(*database_, "PRAGMA incremental_vacuum(1000000)");
    vacuum.Run();
  }
}

bool Store::Relieve() {
  // The log goes to its place first, into the room that the reserve gives up. It leaves more room
  // than it took, enough to write down that the oldest is dropped; and that leaves more again.
  reserve_.Give();
  database_->Number("PRAGMA wal_checkpoint(TRUNCATE)");
  const auto cells = cells_;
  const std::uint64_t before = dropped_;
  try {
    if (!DropTwentieth()) return false;
  } catch (...) {
    cells_ = cells;
    dropped_ = before;
    throw;
  }
  Log(LogLevel::kWarn, "history {}: the disk is full; the oldest {} rows are dropped",
      options_.path, dropped_ - before);
  Statement vacuum(*database_, "PRAGMA incremental_vacuum(1000000)");
  vacuum.Run();
  database_->Number("PRAGMA wal_checkpoint(TRUNCATE)");
  reserve_.Keep();
  return true;
}

bool Store::DropTwentieth() {
  Transaction transaction(*database_);
  const std::int64_t used = UsedBytes();
  const std::int64_t goal = used - std::max<std::int64_t>(used / 20, 1 << 18);
  bool dropped = false;
  while (UsedBytes() > goal && DropOldest() > 0) dropped = true;
  transaction.Commit();
  return dropped;
}

}  // namespace perf::monitor

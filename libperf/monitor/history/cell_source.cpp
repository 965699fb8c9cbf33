// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "libperf/monitor/history/answer.hpp"
#include "libperf/monitor/history/codec.hpp"
#include "libperf/monitor/history/store.hpp"

// Keys are ordered by time before series, so that one series' cells do not stand together: from a
// miss we jump to where the next one could be, which costs two look-ups a cell or chunk.
namespace perf::monitor {
namespace {

/// Where the next key of `series` may be, after another's was found at `key`.
std::int64_t After(std::int64_t key, Tier tier, std::int64_t series) noexcept {
  return Key(tier, TimeOf(key) + (SeriesOf(key) < series ? 0 : 1), series);
}

}  // namespace

CellSource::CellSource(Database& database)
    : database_(database),
      chunk_(database, "SELECT key, data FROM chunks WHERE key >= ? AND key < ? ORDER BY key"),
      row_(database,
           "SELECT key, count, sum, min, max, seconds, counts FROM rows "
           "WHERE key >= ? AND key < ? ORDER BY key") {}

void CellSource::Read(Tier tier, std::int64_t series, std::int64_t from, std::int64_t to,
                      Cells& into) {
  if (from >= to) return;
  ReadChunks(tier, series, from, to, into);
  ReadRows(tier, series, from, to, into);
}

void CellSource::ReadChunks(Tier tier, std::int64_t series, std::int64_t from, std::int64_t to,
                            Cells& into) {
  const std::int64_t end = Key(tier, to);
  std::int64_t next = Key(tier, from - kLongestSpan, series);
  while (next < end) {
    chunk_.Bind(1, next).Bind(2, end);
    if (!chunk_.Step()) break;
    const std::int64_t key = chunk_.Int(0);
    next = After(key, tier, series);
    if (SeriesOf(key) == series) {
      auto cells = DecodeCells(chunk_.Blob(1), TimeOf(key));
      if (!cells) {
        chunk_.Reset();
        throw SqlError(SqlError::Kind::kDamaged,
                       fmt::format("history {}: a packed stretch of it is damaged: move the file "
                                   "away, or let the agent begin a new one",
                                   database_.Path()));
      }
      cells->erase(cells->begin(), cells->lower_bound(from));
      cells->erase(cells->lower_bound(to), cells->end());
      into.merge(*cells);
    }
    chunk_.Reset();
  }
}

void CellSource::ReadRows(Tier tier, std::int64_t series, std::int64_t from, std::int64_t to,
                          Cells& into) {
  const std::int64_t end = Key(tier, to);
  std::int64_t next = Key(tier, from, series);
  while (next < end) {
    row_.Bind(1, next).Bind(2, end);
    if (!row_.Step()) break;
    const std::int64_t key = row_.Int(0);
    next = After(key, tier, series);
    if (SeriesOf(key) == series) into.insert_or_assign(TimeOf(key), RowCell(row_, 1));
    row_.Reset();
  }
}

std::optional<std::int64_t> CellSource::Oldest(Tier tier) {
  std::optional<std::int64_t> oldest;
  for (Statement* table : {&chunk_, &row_}) {
    table->Bind(1, Key(tier, 0)).Bind(2, Key(static_cast<Tier>(tier + 1), 0));
    if (!table->Step()) continue;
    const std::int64_t at = TimeOf(table->Int(0));
    oldest = std::min(oldest.value_or(at), at);
    table->Reset();
  }
  return oldest;
}

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/reader.hpp"

#include <utility>

#include <fmt/format.h>

#include "libperf/base/guarded.hpp"
#include "libperf/monitor/history/answer.hpp"
#include "libperf/monitor/history/schema.hpp"
#include "libperf/monitor/history/selection.hpp"

namespace perf::monitor {
namespace {

/// One state of the database for all that is read within it.
class ReadScope {
 public:
  explicit ReadScope(Database& database) : database_(database) { database_.Run("BEGIN"); }
  ~ReadScope() {
    try {
      database_.Run("ROLLBACK");
    } catch (const SqlError&) {  // a failed read has ended it already
    }
  }
  ReadScope(const ReadScope&) = delete;
  ReadScope& operator=(const ReadScope&) = delete;

 private:
  Database& database_;
};

}  // namespace

struct HistoryReader::Parts {
  explicit Parts(const std::string& path) : database(OpenForReading(path)) {}
  Guarded<std::unique_ptr<Database>> database;
};

HistoryReader::HistoryReader(const std::string& path) : parts_(std::make_unique<Parts>(path)) {}
HistoryReader::~HistoryReader() = default;

HistoryAnswer HistoryReader::Query(const HistoryQuery& query) const {
  auto database = parts_->database.Lock();
  const ReadScope scope(**database);
  return AnswerQuery(**database, query);
}

std::vector<HistorySeries> HistoryReader::Series() const {
  auto database = parts_->database.Lock();
  Statement rows(**database,
                 "SELECT metric, labels, type, unit, last FROM series ORDER BY metric, labels");
  std::vector<HistorySeries> all;
  while (rows.Step()) {
    HistorySeries one;
    one.metric = rows.Text(0);
    one.labels = LabelsFromJson(rows.Text(1));
    one.type = static_cast<metrics::Type>(rows.Int(2));
    one.unit = rows.Text(3);
    one.last = FromSeconds(rows.Int(4));
    all.push_back(std::move(one));
  }
  return all;
}

std::optional<std::string> HistoryReader::State(std::string_view name) const {
  auto database = parts_->database.Lock();
  Statement row(**database, "SELECT value FROM state WHERE name = ?");
  if (!row.Bind(1, name).Step()) return std::nullopt;
  return std::string(row.Text(0));
}

std::map<std::string, std::string> HistoryReader::States(std::string_view prefix) const {
  auto database = parts_->database.Lock();
  Statement rows(**database,
                 "SELECT name, value FROM state WHERE substr(name, 1, length(?1)) = ?1");
  rows.Bind(1, prefix);
  std::map<std::string, std::string> all;
  while (rows.Step()) all.emplace(rows.Text(0), rows.Text(1));
  return all;
}

std::optional<WallTime> HistoryReader::Newest() const {
  auto database = parts_->database.Lock();
  std::int64_t newest = -1;
  for (const Tier tier : {kSystemTier, kAppTier}) {
    for (const char* table : {"rows", "chunks"}) {
      Statement row(**database,
                    fmt::format("SELECT max(key) FROM {} WHERE key >= {} AND key < {}", table,
                                Key(tier, 0), Key(static_cast<Tier>(tier + 1), 0)));
      if (row.Step() && !row.IsNull(0)) newest = std::max(newest, TimeOf(row.Int(0)));
    }
  }
  if (newest < 0) return std::nullopt;
  return FromSeconds(newest);
}

}  // namespace perf::monitor

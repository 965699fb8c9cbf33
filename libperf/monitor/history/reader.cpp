// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/reader.hpp"

#include <sys/stat.h>

#include <algorithm>
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
  struct Open {
    std::unique_ptr<Database> database;
    ino_t inode = 0;
    dev_t device = 0;
  };

  explicit Parts(const std::string& the_path) : path(the_path) {
    auto open = database.Lock();
    Current(*open);
  }

  /// The database that stands at the path now: a damaged one is set aside while we have it open.
  Database& Current(Open& open) const {
    struct stat now{};
    if (::stat(path.c_str(), &now) != 0) now.st_ino = 0;
    if (!open.database || now.st_ino != open.inode || now.st_dev != open.device) {
      open.database.reset();
      open.database = OpenForReading(path);
      open.inode = now.st_ino;
      open.device = now.st_dev;
    }
    return *open.database;
  }

  const std::string path;
  Guarded<Open> database;
};

HistoryReader::HistoryReader(const std::string& path) : parts_(std::make_unique<Parts>(path)) {}
HistoryReader::~HistoryReader() = default;

HistoryAnswer HistoryReader::Query(const HistoryQuery& query) const {
  auto open = parts_->database.Lock();
  Database& database = parts_->Current(*open);
  const ReadScope scope(database);
  return AnswerQuery(database, query);
}

std::vector<HistorySeries> HistoryReader::Series() const {
  auto open = parts_->database.Lock();
  Database& database = parts_->Current(*open);
  Statement rows(database,
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
  auto open = parts_->database.Lock();
  Database& database = parts_->Current(*open);
  Statement row(database, "SELECT value FROM state WHERE name = ?");
  if (!row.Bind(1, name).Step()) return std::nullopt;
  return std::string(row.Text(0));
}

std::map<std::string, std::string> HistoryReader::States(std::string_view prefix) const {
  auto open = parts_->database.Lock();
  Database& database = parts_->Current(*open);
  Statement rows(database, "SELECT name, value FROM state WHERE substr(name, 1, length(?1)) = ?1");
  rows.Bind(1, prefix);
  std::map<std::string, std::string> all;
  while (rows.Step()) all.emplace(rows.Text(0), rows.Text(1));
  return all;
}

std::optional<WallTime> HistoryReader::Newest() const {
  auto open = parts_->database.Lock();
  Database& database = parts_->Current(*open);
  std::int64_t newest = -1;
  for (const Tier tier : {kSystemTier, kAppTier}) {
    for (const char* table : {"rows", "chunks"}) {
      Statement row(database,
                    fmt::format("SELECT max(key) FROM {} WHERE key >= {} AND key < {}", table,
                                Key(tier, 0), Key(static_cast<Tier>(tier + 1), 0)));
      if (row.Step() && !row.IsNull(0)) newest = std::max(newest, TimeOf(row.Int(0)));
    }
  }
  if (newest < 0) return std::nullopt;
  return FromSeconds(newest);
}

}  // namespace perf::monitor

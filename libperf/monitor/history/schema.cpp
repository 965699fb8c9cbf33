// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/schema.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "libperf/base/log.hpp"

namespace perf::monitor {
namespace {

// "perf" as four letters: tells our file from another program's.
constexpr std::int64_t kApplication = 0x70657266;

// rows: the newest cells, one each; chunks: older ones, packed by series and stretch (codec.hpp).
// Keys are tier, time and series in one number (layout.hpp); the views take them apart.
constexpr const char* kFirst = R"(
CREATE TABLE series(id INTEGER PRIMARY KEY AUTOINCREMENT, metric TEXT NOT NULL,
  labels TEXT NOT NULL, type INTEGER NOT NULL, unit TEXT NOT NULL, first_tier INTEGER NOT NULL,
  last INTEGER NOT NULL, UNIQUE(metric, labels, type)) STRICT;
CREATE TABLE tiers(id INTEGER PRIMARY KEY, name TEXT NOT NULL, step INTEGER NOT NULL,
  rolled INTEGER NOT NULL) STRICT;
CREATE TABLE rows(key INTEGER PRIMARY KEY, count INTEGER NOT NULL, sum REAL NOT NULL,
  min REAL NOT NULL, max REAL NOT NULL, seconds REAL NOT NULL, counts BLOB) STRICT;
CREATE TABLE chunks(key INTEGER PRIMARY KEY, cells INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE VIEW row_list AS SELECT key >> 59 AS tier, (key >> 24) & 34359738367 AS start,
  key & 16777215 AS series, count, sum, min, max, seconds FROM rows;
CREATE VIEW chunk_list AS SELECT key >> 59 AS tier, (key >> 24) & 34359738367 AS start,
  key & 16777215 AS series, cells, length(data) AS bytes FROM chunks;
CREATE TABLE state(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, tool TEXT NOT NULL,
  scenario TEXT NOT NULL, hash TEXT NOT NULL, verdict TEXT NOT NULL, duration REAL NOT NULL,
  achieved REAL, requests INTEGER, failed INTEGER, p50 REAL, p95 REAL, p99 REAL,
  bytes INTEGER NOT NULL, codec INTEGER NOT NULL, result BLOB NOT NULL,
  UNIQUE(started, scenario, tool)) STRICT;
)";
// The version of a database is how many of these it has had; new ones go to the end.
constexpr std::array<const char*, 1> kMigrations{kFirst};
// More than the write-ahead log usually is (wal_autocheckpoint, below).
constexpr off_t kReserve = 2 << 20;
constexpr auto kVersion = static_cast<std::int64_t>(kMigrations.size());

void Refuse(Database& database) {
  const std::int64_t version = database.Number("PRAGMA user_version");
  if (version > kVersion) {
    throw IoError(
        fmt::format("history {} was written by a newer perfkit (version {} of the file, "
                    "this one reads up to {}): update perfkit or name another path",
                    database.Path(), version, kVersion));
  }
  const bool empty = database.Number("SELECT count(*) FROM sqlite_schema") == 0;
  if (!empty && database.Number("PRAGMA application_id") != kApplication) {
    throw IoError(
        fmt::format("{} is a database of another program: name another path for the "
                    "history",
                    database.Path()));
  }
}

void Migrate(Database& database) {
  if (database.Number("PRAGMA user_version") == kVersion) return;
  Transaction transaction(database);
  // Again, now that nobody else can change it.
  for (std::int64_t done = database.Number("PRAGMA user_version"); done < kVersion; ++done) {
    database.Run(kMigrations[static_cast<std::size_t>(done)]);
    database.Run(fmt::format("PRAGMA user_version = {}", done + 1));
  }
  database.Run(fmt::format("PRAGMA application_id = {}", kApplication));
  transaction.Commit();
}

std::string SetAside(const std::string& path, WallTime now) {
  const auto time = std::chrono::system_clock::to_time_t(now);
  const std::string aside = fmt::format("{}.damaged-{:%Y%m%dT%H%M%SZ}", path, fmt::gmtime(time));
  for (const char* end : {"", "-wal", "-shm"}) {
    if (::rename((path + end).c_str(), (aside + end).c_str()) != 0 && errno != ENOENT) {
      throw IoError(fmt::format("history {} is damaged and can't be renamed: {}", path,
                                std::generic_category().message(errno)));
    }
  }
  return aside;
}

std::unique_ptr<Database> Sound(const std::string& path) {
  auto database = OpenForWriting(path);
  const std::string found = database->Text("PRAGMA quick_check(1)");
  if (found != "ok") throw SqlError(SqlError::Kind::kDamaged, found);
  return database;
}

}  // namespace

Reserve::Reserve(std::string path) : path_(std::move(path)) { Keep(); }

void Reserve::Keep() noexcept {
  const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return;
  kept_ = ::posix_fallocate(file, 0, kReserve) == 0;
  ::close(file);
  if (!kept_) ::unlink(path_.c_str());  // half of it is of no use
}

void Reserve::Give() noexcept {
  ::unlink(path_.c_str());
  kept_ = false;
}

WriterLock::WriterLock(const std::string& path) {
  const std::string name = path + ".lock";
  file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file_ < 0) {
    throw IoError(fmt::format("history {}: {}: {}; check its folder's permissions", path, name,
                              std::generic_category().message(errno)));
  }
  std::array<char, 32> text{};
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const ssize_t length = ::pread(file_, text.data(), text.size() - 1, 0);
    ::close(file_);
    throw IoError(
        fmt::format("history {} is locked: process {} writes it; stop that agent or name "
                    "another path for the history",
                    path, length > 0 ? text.data() : "(unknown)"));
  }
  const auto end = fmt::format_to_n(text.data(), text.size(), "{}", ::getpid());
  // Only for the message above, so nothing depends on it.
  if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, text.data(), end.size, 0) < 0) errno = 0;
}

WriterLock::~WriterLock() { ::close(file_); }

void MakeFolderOf(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw IoError(fmt::format("history {}: its folder can't be made: {}", path,
                              std::generic_category().message(errno)));
  }
}

std::unique_ptr<Database> OpenForWriting(const std::string& path) {
  auto database = std::make_unique<Database>(path, Database::Mode::kWrite);
  Refuse(*database);
  // Both only have a say before the first table. Large pages waste less behind packed stretches.
  database->Run("PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL");
  database->Run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
      "PRAGMA wal_autocheckpoint = 64; PRAGMA journal_size_limit = 1048576; "
      "PRAGMA cache_size = -4096");
  Migrate(*database);
  return database;
}

std::unique_ptr<Database> OpenForReading(const std::string& path) {
  auto database = std::make_unique<Database>(path, Database::Mode::kRead);
  database->Run("PRAGMA cache_size = -4096");
  Refuse(*database);
  if (database->Number("PRAGMA user_version") != kVersion) {
    throw IoError(
        fmt::format("history {} is empty or of an older version: start the agent once", path));
  }
  return database;
}

std::unique_ptr<Database> OpenChecked(const std::string& path, WallTime now) {
  try {
    return Sound(path);
  } catch (const SqlError& error) {
    if (error.Why() != SqlError::Kind::kDamaged) throw;
    const std::string aside = SetAside(path, now);
    Log(LogLevel::kError, "history {} is damaged ({}); it is kept as {} and a new one begun", path,
        error.what(), aside);
  }
  return Sound(path);
}

}  // namespace perf::monitor

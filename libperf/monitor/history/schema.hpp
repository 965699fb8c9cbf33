// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "libperf/monitor/history/cell.hpp"
#include "libperf/monitor/history/database.hpp"

namespace perf::monitor {

/// That of a file when somebody writes the history's samples into it; gone with its process.
/// Thread safety: none.
class WriterLock {
 public:
  /// Throws: IoError that names the process which has it.
  explicit WriterLock(const std::string& path);
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  int file_;
};

/// Space beside the database that is given up when the disk is full: without it the log could not
/// be moved into the database, and then not even dropping old data would be possible.
/// Thread safety: none.
class Reserve {
 public:
  explicit Reserve(std::string path);
  ~Reserve() { Give(); }
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;
  bool Kept() const noexcept { return kept_; }
  /// Takes the space, where there is some.
  void Keep() noexcept;
  void Give() noexcept;

 private:
  std::string path_;
  bool kept_ = false;
};

/// Makes the folder of a database (0700). Throws: IoError.
void MakeFolderOf(const std::string& path);
/// Opens for writing, makes what is missing, and brings an older version up to date.
/// Throws: SqlError; IoError for a file of another program or of a newer version.
std::unique_ptr<Database> OpenForWriting(const std::string& path);
/// Opens for reading. Throws: as OpenForWriting, also for a file that is not there.
std::unique_ptr<Database> OpenForReading(const std::string& path);
/// As OpenForWriting, with SQLite's quick_check; a damaged file is renamed, which is logged, and a
/// new one begun.
std::unique_ptr<Database> OpenChecked(const std::string& path, WallTime now);

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace perf::monitor {

/// What SQLite refused.
class PERF_EXPORT SqlError : public IoError {
 public:
  enum class Kind : std::uint8_t { kOther, kFull, kBusy, kDamaged, kCannotOpen };
  SqlError(Kind kind, const std::string& text) : IoError(text), kind_(kind) {}
  ~SqlError() override;
  Kind Why() const noexcept { return kind_; }

 private:
  Kind kind_;
};

class Database;

/// One prepared statement; after its last use in a row it is reset, so that it holds no lock.
/// Thread safety: none. Lifetime: within its database.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Parameters are numbered from 1. Texts must live until the next Reset.
  Statement& Bind(int index, std::int64_t value);
  Statement& Bind(int index, double value);
  Statement& Bind(int index, std::string_view text);
  Statement& BindBlob(int index, std::string_view bytes);
  Statement& BindNull(int index);

  /// Whether there is another row; at the end it resets itself. Throws: SqlError.
  bool Step();
  /// Runs to the end. Throws: SqlError.
  void Run();
  void Reset() noexcept;

  // Columns are numbered from 0; texts live until the next Step or Reset.
  std::int64_t Int(int column) const noexcept;
  double Double(int column) const noexcept;
  std::string_view Text(int column) const noexcept;
  std::string_view Blob(int column) const noexcept;
  bool IsNull(int column) const noexcept;

 private:
  void Check(int code);
  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// One connection to a SQLite file.
/// Thread safety: none, but it may be used by threads in turn.
class Database {
 public:
  enum class Mode : std::uint8_t { kRead, kWrite };  // kWrite makes the file

  /// Sets what every connection needs; waits for other writers for at most `busy_ms`.
  /// A reader that may not write beside the file reads it as it stands, when no writer has it open.
  /// Throws: SqlError naming the path.
  Database(const std::string& path, Mode mode, int busy_ms = 5000);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs statements that give nothing. Throws: SqlError.
  void Run(const std::string& sql);
  /// The first column of the first row. Throws: SqlError.
  std::int64_t Number(std::string_view sql);
  std::string Text(std::string_view sql);
  std::int64_t LastId() const noexcept;
  std::int64_t Changes() const noexcept;
  const std::string& Path() const noexcept { return path_; }
  /// Throws: SqlError for a code other than success.
  void Check(int code, std::string_view doing);

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* handle) const noexcept;
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// All or nothing: rolled back unless committed. Throws: SqlError.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void Commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace perf::monitor

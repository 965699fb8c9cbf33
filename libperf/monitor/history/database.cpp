// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/database.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace perf::monitor {
namespace {

SqlError::Kind KindOf(int code, int system_error) noexcept {
  switch (code & 0xFF) {
    case SQLITE_FULL: return SqlError::Kind::kFull;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SqlError::Kind::kBusy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return SqlError::Kind::kDamaged;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return SqlError::Kind::kCannotOpen;
    case SQLITE_IOERR:
      return system_error == ENOSPC || system_error == EDQUOT ? SqlError::Kind::kFull
                                                              : SqlError::Kind::kOther;
    default: return SqlError::Kind::kOther;
  }
}

std::string_view Remedy(SqlError::Kind kind) noexcept {
  switch (kind) {
    case SqlError::Kind::kFull: return "; make room on the disk or lower the history's limit";
    case SqlError::Kind::kBusy: return "; another process holds it: try again";
    case SqlError::Kind::kDamaged: return "; move the file away, or let the agent begin a new one";
    case SqlError::Kind::kCannotOpen: return "; check that it exists and its permissions";
    case SqlError::Kind::kOther: break;
  }
  return "";
}

/// As a URI: SQLite's own escapes in a path would mean something else.
std::string Uri(const std::string& path, std::string_view query) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '?' || c == '#' || c == '%') {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      uri.push_back(c);
    }
  }
  return uri + "?" + std::string(query);
}

}  // namespace

SqlError::~SqlError() = default;

void Database::Close::operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }

Database::Database(const std::string& path, Mode mode, int busy_ms) : path_(path) {
  const int flags =
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE |
      (mode == Mode::kRead ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const auto open = [&](const std::string& uri) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(uri.c_str(), &handle, flags, nullptr);
    handle_.reset(handle);
    Check(code, "open");
    Check(sqlite3_busy_timeout(handle, busy_ms), "open");
    // A damaged file must not become a crash or a wrong answer.
    Run("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  };
  open(Uri(path, mode == Mode::kRead ? "mode=ro" : "mode=rwc"));
  if (mode == Mode::kWrite) return;
  try {
    Number("PRAGMA schema_version");  // the first access, which needs the files beside it
  } catch (const SqlError& error) {
    // A write-ahead log that nobody has open leaves no index for it, and we may not make one.
    if (error.Why() != SqlError::Kind::kCannotOpen ||
        ::access((path + "-wal").c_str(), F_OK) == 0) {
      throw;
    }
    open(Uri(path, "mode=ro&immutable=1"));
    Number("PRAGMA schema_version");
  }
}

Database::~Database() = default;

void Database::Check(int code, std::string_view doing) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  const int system = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
  const SqlError::Kind kind = KindOf(code, system);
  std::string reason = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  if (system != 0 && (code & 0xFF) != SQLITE_BUSY) {
    reason += fmt::format(" ({})", std::generic_category().message(system));
  }
  throw SqlError(kind, fmt::format("history {}: {}: {}{}", path_, doing, reason, Remedy(kind)));
}

void Database::Run(const std::string& sql) {
  Check(sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr), "write");
}

std::int64_t Database::Number(std::string_view sql) {
  Statement statement(*this, sql);
  return statement.Step() ? statement.Int(0) : 0;
}

std::string Database::Text(std::string_view sql) {
  Statement statement(*this, sql);
  return statement.Step() ? std::string(statement.Text(0)) : std::string();
}

std::int64_t Database::LastId() const noexcept { return sqlite3_last_insert_rowid(handle_.get()); }
std::int64_t Database::Changes() const noexcept { return sqlite3_changes64(handle_.get()); }

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  Check(sqlite3_prepare_v3(database.handle_.get(), sql.data(), static_cast<int>(sql.size()), 0,
                           &statement_, nullptr));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::Check(int code) {
  if (code == SQLITE_OK) return;
  try {
    database_.Check(
        code, statement_ == nullptr || sqlite3_stmt_readonly(statement_) != 0 ? "read" : "write");
  } catch (...) {
    Reset();
    throw;
  }
}

Statement& Statement::Bind(int index, std::int64_t value) {
  Check(sqlite3_bind_int64(statement_, index, value));
  return *this;
}
Statement& Statement::Bind(int index, double value) {
  Check(sqlite3_bind_double(statement_, index, value));
  return *this;
}
Statement& Statement::Bind(int index, std::string_view text) {
  Check(sqlite3_bind_text64(statement_, index, text.data() == nullptr ? "" : text.data(),
                            text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}
Statement& Statement::BindBlob(int index, std::string_view bytes) {
  Check(sqlite3_bind_blob64(statement_, index, bytes.data() == nullptr ? "" : bytes.data(),
                            bytes.size(), SQLITE_STATIC));
  return *this;
}
Statement& Statement::BindNull(int index) {
  Check(sqlite3_bind_null(statement_, index));
  return *this;
}

bool Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) Check(code);
  Reset();
  return false;
}

void Statement::Run() {
  while (Step()) {
  }
}

void Statement::Reset() noexcept { sqlite3_reset(statement_); }

std::int64_t Statement::Int(int column) const noexcept {
  return sqlite3_column_int64(statement_, column);
}
double Statement::Double(int column) const noexcept {
  return sqlite3_column_double(statement_, column);
}
std::string_view Statement::Text(int column) const noexcept {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}
std::string_view Statement::Blob(int column) const noexcept {
  const void* bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}
bool Statement::IsNull(int column) const noexcept {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Transaction::Transaction(Database& database) : database_(database) {
  // IMMEDIATE: a second writer is waited for here, and not refused at the first write.
  database_.Run("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.Run("ROLLBACK");
  } catch (const SqlError&) {  // SQLite has rolled it back itself: the disk was full
  }
}

void Transaction::Commit() {
  database_.Run("COMMIT");
  open_ = false;
}

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pqxx_face.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/version>
#include <thread>

#include "libperf/backends/failure_text.hpp"
#include "libperf/backends/pg_session.hpp"
#include "libperf/base/log.hpp"

#define PERF_PQXX_AT_LEAST(major, minor) \
  (PQXX_VERSION_MAJOR > (major) || (PQXX_VERSION_MAJOR == (major) && PQXX_VERSION_MINOR >= (minor)))
#if !PERF_PQXX_AT_LEAST(7, 10)
#include <pqxx/errorhandler.hxx>
#endif

namespace perf::backends {
namespace {

void LogNotice(const char* message) { Log(LogLevel::kDebug, "postgres: {}", FailureText(message)); }

#if !PERF_PQXX_AT_LEAST(7, 10)
/// Without a handler libpqxx writes notices to stderr.
class NoticeLogger final : public pqxx::errorhandler {
 public:
  using pqxx::errorhandler::errorhandler;
  bool operator()(const char* message) noexcept override {
    LogNotice(message);
    return false;
  }
};
#endif

std::string Quoted(const std::string& value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

std::string ConnectText(const std::string& conninfo, Deadline deadline) {
  PostgresConfig config;
  config.conninfo = conninfo;
  PgOptions options = MakePgOptions(config);
  std::erase_if(options, [](const auto& option) { return option.first == "connect_timeout"; });
  const auto seconds =
      std::chrono::ceil<std::chrono::seconds>(deadline.Remaining(Clock::now())).count();
  // libpq rounds 1 up to 2, and takes 0 for "for ever".
  options.emplace_back("connect_timeout",
                       std::to_string(std::clamp<std::int64_t>(seconds, 2, 600)));
  std::string text;
  for (const auto& [key, value] : options) text += key + "=" + Quoted(value) + " ";
  return text;
}

/// How long after the deadline the server may take to end the statement by itself.
constexpr Duration kGrace = std::chrono::milliseconds(500);

/// libpqxx blocks without a deadline: where the server does not keep ours, the socket is shut
/// down under libpqxx, which takes that for a lost connection.
class SocketGuard {
 public:
  SocketGuard(int fd, Deadline deadline) {
    if (deadline.IsNever()) return;
    thread_ = std::jthread([this, fd, deadline](const std::stop_token& stop) {
      std::unique_lock lock(mutex_);
      if (wake_.wait_until(lock, stop, Saturated(deadline.At(), kGrace),
                           [&stop] { return stop.stop_requested(); })) {
        return;
      }
      if (stop.stop_requested()) return;
      expired_ = true;
      ::shutdown(fd, SHUT_RDWR);
    });
  }
  /// Joins: afterwards the socket is not touched any more.
  bool Expired() {
    if (thread_.joinable()) {
      thread_.request_stop();
      thread_.join();
    }
    return expired_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool expired_ = false;
  std::jthread thread_;  // last: it uses the others
};

void SetStatementTimeout(pqxx::connection& connection, Deadline deadline) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline.Remaining(Clock::now()));
  const auto value = std::clamp<std::int64_t>(rest.count(), 1, 1'000'000'000);
  try {
    pqxx::nontransaction work(connection);
    work.exec(fmt::format("set statement_timeout = {}", value));
    work.commit();
  } catch (const pqxx::sql_error&) {
    // Within a failed transaction only ROLLBACK works, and that is what the script may be.
  }
}

std::vector<BlockingSql::Row> Rows(const pqxx::result& result) {
  std::vector<BlockingSql::Row> rows;
  for (const auto& row : result) {
    BlockingSql::Row& values = rows.emplace_back();
    for (const auto& field : row) {
      values.push_back(field.is_null()
                           ? std::nullopt
                           : std::optional<std::string>(std::string(field.c_str(), field.size())));
    }
  }
  return rows;
}

}  // namespace

SqlError::~SqlError() = default;

struct BlockingSql::Parts {
  explicit Parts(const std::string& conninfo) : connection(conninfo) {
#if PQXX_VERSION_MAJOR < 7
    // 6.x would reconnect silently and lose settings and temporary tables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
#if PERF_PQXX_AT_LEAST(7, 10)
    connection.set_notice_handler([](pqxx::zview text) { LogNotice(text.c_str()); });
#endif
  }
  pqxx::connection connection;
#if !PERF_PQXX_AT_LEAST(7, 10)
  NoticeLogger notices{connection};
#endif
};

BlockingSql::BlockingSql(const std::string& conninfo, Deadline deadline) {
  const std::string text = ConnectText(conninfo, deadline);
  try {
    parts_ = std::make_unique<Parts>(text);
  } catch (const std::exception& error) {
    throw IoError("postgres: " + FailureText(error.what()));
  }
}

BlockingSql::~BlockingSql() = default;

std::vector<BlockingSql::Row> BlockingSql::Run(const std::string& script, Deadline deadline) {
  if (parts_ == nullptr || !parts_->connection.is_open()) {
    throw SqlError("postgres: the connection was lost or given up", "");
  }
  SocketGuard guard(parts_->connection.sock(), deadline);
  std::string sqlstate;
  std::string message;
  try {
    SetStatementTimeout(parts_->connection, deadline);
    pqxx::nontransaction work(parts_->connection);
    const pqxx::result result = work.exec(script);
    work.commit();
    auto rows = Rows(result);
    if (!guard.Expired()) return rows;
  } catch (const pqxx::sql_error& error) {
    sqlstate = error.sqlstate();
    message = error.what();
  } catch (const std::exception& error) {
    message = error.what();
  }
  if (guard.Expired() || deadline.Passed(Clock::now())) {
    parts_.reset();
    throw SqlError("postgres: timed out while running a script", sqlstate);
  }
  const std::string code = sqlstate.empty() ? "" : fmt::format(" (SQLSTATE {})", sqlstate);
  throw SqlError("postgres: " + FailureText(message) + code, sqlstate);
}

void RunSqlScripts(const std::string& conninfo, const std::vector<std::string>& scripts,
                   Deadline deadline) {
  BlockingSql session(conninfo, deadline);
  for (const std::string& script : scripts) session.Run(script, deadline);
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/fd_watch.hpp"
#include "libperf/backends/postgres.hpp"

struct pg_conn;

namespace perf::backends {

/// Key words and values for PQconnectStartParams.
using PgOptions = std::vector<std::pair<std::string, std::string>>;

/// Checks a conninfo and adds what perfkit wants by default.
/// Throws: ConfigError for a conninfo that libpq rejects.
PgOptions MakePgOptions(const PostgresConfig& config);

/// Non-blocking libpq on one loop.
class PgSession final : public PostgresConnection {
 public:
  PgSession(EventLoop& loop, bool prepared);
  ~PgSession() override;

  /// Connects and authenticates; a failure is kConnect.
  Task<Failure> Open(const PgOptions& options, Deadline deadline);

  Task<void> Execute(const SqlStatement& statement, std::span<const SqlParameter> parameters,
                     SqlReply& reply, Deadline deadline) override;
  bool Reusable() const noexcept override;
  bool Alive() noexcept override;

 private:
  struct Close {
    void operator()(pg_conn* connection) const noexcept;
  };
  /// Suspends until Resume; forgets the coroutine when its frame is destroyed first.
  struct Wait {
    PgSession& session;
    explicit Wait(PgSession& owner) noexcept : session(owner) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { session.waiter_ = {}; }
    bool await_ready() const noexcept { return !session.pending_; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { session.waiter_ = handle; }
    void await_resume() const noexcept {}
  };

  void Resume();
  void OnReadable();
  void OnWritable();
  void OnAlarm();
  bool Bind(std::span<const SqlParameter> parameters, SqlReply& reply);
  void Begin(SqlReply& reply, int sent);
  void Read();
  bool Pump();
  bool Take(pg_result* result);
  void TakeError(pg_result* result);
  void Finish();
  bool IsPrepared(std::uint32_t id) const noexcept;
  void MarkPrepared(std::uint32_t id, bool prepared);

  EventLoop& loop_;
  std::unique_ptr<pg_conn, Close> connection_;
  FdWatch watch_;  // released before the connection is closed
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  SqlReply* reply_ = nullptr;  // of the statement under way
  std::vector<const char*> values_;
  std::vector<bool> prepared_;  // by statement id
  std::uint32_t statement_ = 0;
  bool use_prepared_;
  bool connecting_ = false;
  bool pending_ = false;  // Resume has not been called since the wait began
  bool expired_ = false;
  bool broken_ = false;
};

}  // namespace perf::backends

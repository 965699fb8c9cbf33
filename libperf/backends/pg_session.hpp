// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/backends/fd_watch.hpp"
#include "libperf/backends/pg_cancel.hpp"
#include "libperf/backends/pg_farewell.hpp"
#include "libperf/backends/pg_hosts.hpp"
#include "libperf/backends/postgres.hpp"

struct pg_conn;
struct ssl_st;

namespace perf::backends {

/// Checks a conninfo and adds what perfkit wants by default.
/// Throws: ConfigError for a conninfo that libpq rejects.
PgOptions MakePgOptions(const PostgresConfig& config);

/// Of the SQLSTATEs that end a session those that are about the server: its other sessions are as
/// useless. 57P04 (database dropped) and 57P05 (idle for too long) are not.
bool EndsServer(std::string_view sqlstate) noexcept;

class PgSession;

/// What the sessions of one connector have in common; it may go before they do.
struct PgFamily {
  bool prepared = true;
  PostgresReset reset = PostgresReset::kNone;
  std::vector<std::string> init;
  PgRole role = PgRole::kAny;
  bool several = false;     // hosts
  std::uint64_t epoch = 1;  // of those that are dialled now
  /// Called by a session of the current epoch that has learnt that all of it are of no use: what
  /// the server said. Empty once the connector is gone.
  std::function<void(std::string_view why)> on_stale;
  mutable std::set<PgSession*> members;  // that live
  std::unique_ptr<PgFarewell> farewell;  // none: nobody asks what became of closed sessions
};

/// Non-blocking libpq on one loop.
class PgSession final : public PostgresConnection {
 public:
  /// `host`: the number of its server among the connector's.
  PgSession(EventLoop& loop, std::shared_ptr<const PgFamily> family, std::size_t host = 0);
  ~PgSession() override;
  std::size_t Host() const noexcept { return host_; }
  /// Whether all that were dialled with it have been given up.
  bool Replaced() const noexcept { return epoch_ != family_->epoch; }

  /// Connects, authenticates and runs the init statements; a failure is kConnect.
  Task<Failure> Open(const PgOptions& options, Deadline deadline);
  /// An Open under way fails as soon as it is its turn.
  void HurryOpen();
  /// A statement under way fails now: nobody will answer it.
  void Abandon(const std::string& why);

  Task<void> Execute(const SqlStatement& statement, std::span<const SqlParameter> parameters,
                     SqlReply& reply, Deadline deadline) override;
  Task<bool> Reset(Deadline deadline) override;
  /// Runs text by the simple protocol: may be several statements, never prepared.
  Task<void> RunText(const std::string& text, SqlReply& reply, Deadline deadline);
  bool Reusable() const noexcept override;
  bool NeedsReset() const noexcept override;
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
  static void TakeNotice(void* self, const pg_result* notice);
  Task<void> Handshake(Failure& failure, Deadline deadline);
  std::string ConnectFault(const ssl_st* tls) const;
  Task<void> RunInit(Failure& failure, Deadline deadline);
  bool WrongRole() const noexcept;
  void TellStale(std::string_view why) const;
  void OnReadable();
  void OnWritable();
  void OnAlarm();
  bool Bind(std::span<const SqlParameter> parameters, SqlReply& reply);
  void Begin(SqlReply& reply, int sent);
  void Read();
  bool Pump();
  bool Take(pg_result* result);
  void TakeError(pg_result* result);
  void GiveUp(ErrorKind kind, std::string why);
  void Finish();
  bool IsPrepared(std::uint32_t id) const noexcept;
  void MarkPrepared(std::uint32_t id, bool prepared);

  EventLoop& loop_;
  std::shared_ptr<const PgFamily> family_;
  std::uint64_t epoch_;
  std::size_t host_;
  std::unique_ptr<pg_conn, Close> connection_;
  FdWatch watch_;  // released before the connection is closed
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  SqlReply* reply_ = nullptr;  // of the statement under way
  std::vector<const char*> values_;
  std::vector<bool> prepared_;  // by statement id
  std::uint32_t statement_ = 0;
  Failure last_words_;         // a warning that the server is about to hang up
  std::string last_state_;     // and its SQLSTATE
  PgCancel cancel_;            // of a statement that was given up
  bool use_prepared_ = false;  // by the statement under way
  bool touched_ = false;       // by a statement since the last reset
  bool connecting_ = false;
  bool pending_ = false;  // Resume has not been called since the wait began
  bool expired_ = false;
  bool broken_ = false;
};

}  // namespace perf::backends

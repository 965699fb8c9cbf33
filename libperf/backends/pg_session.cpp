// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_session.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "libperf/backends/failure_text.hpp"

namespace perf::backends {
namespace {

/// "s17": short, because it goes over the wire with every statement.
struct StatementName {
  explicit StatementName(std::uint32_t id) noexcept {
    text[0] = 's';
    *std::to_chars(text + 1, text + sizeof text - 1, id).ptr = '\0';
  }
  char text[16];
};

/// Classes after which the server or this session of it is of no more use: connection
/// exceptions, shut-downs, and a primary that became read-only (it was demoted).
bool EndsSession(std::string_view sqlstate) noexcept {
  return sqlstate.starts_with("08") || sqlstate.starts_with("57P0") || sqlstate == "25006";
}

/// What OpenSSL has read from the socket and libpq has not taken yet.
bool TlsPending(PGconn* connection) noexcept {
  if (PQsslInUse(connection) == 0) return false;
  const auto* const ssl = static_cast<const SSL*>(PQsslStruct(connection, "OpenSSL"));
  return ssl != nullptr && SSL_pending(ssl) > 0;
}

}  // namespace

bool EndsServer(std::string_view sqlstate) noexcept {
  return sqlstate.starts_with("08") || sqlstate == "25006" || sqlstate == "57P01" ||
         sqlstate == "57P02" || sqlstate == "57P03";
}

void PgSession::Close::operator()(pg_conn* connection) const noexcept { PQfinish(connection); }

PgSession::PgSession(EventLoop& loop, std::shared_ptr<const PgFamily> family, std::size_t host)
    : loop_(loop),
      family_(std::move(family)),
      epoch_(family_->epoch),
      host_(host),
      watch_(
          loop, [](void* self) { static_cast<PgSession*>(self)->OnReadable(); },
          [](void* self) { static_cast<PgSession*>(self)->OnWritable(); }, this),
      alarm_(loop, [this] { OnAlarm(); }) {
  family_->members.insert(this);
}

PgSession::~PgSession() {
  family_->members.erase(this);
  if (family_->farewell == nullptr) return;
  watch_.Release();
  family_->farewell->Close(connection_.release(), host_, std::move(cancel_));
}

void PgSession::Resume() {
  pending_ = false;
  if (const auto waiter = std::exchange(waiter_, {})) waiter.resume();
}

bool PgSession::IsPrepared(std::uint32_t id) const noexcept {
  return id < prepared_.size() && prepared_[id];
}

void PgSession::MarkPrepared(std::uint32_t id, bool prepared) {
  if (id >= prepared_.size()) prepared_.resize(id + 1);
  prepared_[id] = prepared;
}

bool PgSession::Bind(std::span<const SqlParameter> parameters, SqlReply& reply) {
  values_.clear();
  for (const SqlParameter& parameter : parameters) {
    values_.push_back(parameter ? parameter->c_str() : nullptr);
    if (parameter && std::memchr(parameter->data(), '\0', parameter->size()) != nullptr) {
      reply.failure = {
          ErrorKind::kStatus,
          fmt::format("parameter ${} holds a zero byte, which text cannot", values_.size())};
      return false;
    }
  }
  return true;
}

/// After one of the PQsend functions, which have written already where the socket took it.
void PgSession::Begin(SqlReply& reply, int sent) {
  reply_ = &reply;
  pending_ = true;
  if (sent == 0) {
    const bool lost = PQstatus(connection_.get()) == CONNECTION_BAD;
    broken_ = broken_ || lost;
    if (lost && family_->several) TellStale("a connection was lost");
    reply.failure = {lost ? ErrorKind::kProtocol : ErrorKind::kStatus,
                     FailureText(PQerrorMessage(connection_.get()))};
    Finish();
    return;
  }
  if (PQflush(connection_.get()) != 0) watch_.AwaitWritable();
  watch_.AwaitReadable();
}

Task<void> PgSession::Execute(const SqlStatement& statement,
                              std::span<const SqlParameter> parameters, SqlReply& reply,
                              Deadline deadline) {
  reply.Clear();
  PGconn* const connection = connection_.get();
  const int count = static_cast<int>(parameters.size());
  reply.timing.sent = reply.timing.first_byte = reply.timing.done = Clock::now();
  if (broken_ || connection == nullptr) {
    reply.failure = {ErrorKind::kProtocol, "the connection was given up before"};
    co_return;
  }
  if (!Bind(parameters, reply)) co_return;
  statement_ = statement.id;
  touched_ = true;
  use_prepared_ = family_->prepared;
  alarm_.Arm(deadline);
  if (use_prepared_ && !IsPrepared(statement.id)) {
    const StatementName name(statement.id);
    Begin(reply, PQsendPrepare(connection, name.text, statement.text.c_str(), 0, nullptr));
    Wait wait(*this);
    co_await wait;
    if (reply.failure) co_return;
    MarkPrepared(statement.id, true);
    reply.Adopt(nullptr);
    alarm_.Arm(deadline);
  }
  reply.timing.first_byte = {};
  if (use_prepared_) {
    const StatementName name(statement.id);
    Begin(reply,
          PQsendQueryPrepared(connection, name.text, count, values_.data(), nullptr, nullptr, 0));
  } else {
    Begin(reply, PQsendQueryParams(connection, statement.text.c_str(), count, nullptr,
                                   values_.data(), nullptr, nullptr, 0));
  }
  Wait wait(*this);
  co_await wait;
}

Task<void> PgSession::RunText(const std::string& text, SqlReply& reply, Deadline deadline) {
  reply.Clear();
  reply.timing.sent = Clock::now();
  if (broken_ || connection_ == nullptr) {
    reply.failure = {ErrorKind::kProtocol, "the connection was given up before"};
    co_return;
  }
  use_prepared_ = false;
  alarm_.Arm(deadline);
  Begin(reply, PQsendQuery(connection_.get(), text.c_str()));
  Wait wait(*this);
  co_await wait;
}

void PgSession::OnReadable() {
  if (connecting_) {
    Resume();
  } else if (reply_ != nullptr) {
    Read();
  }
}

void PgSession::OnWritable() {
  if (connecting_) {
    Resume();
  } else if (reply_ != nullptr && PQflush(connection_.get()) > 0) {
    watch_.AwaitWritable();
  }
}

void PgSession::Read() {
  PGconn* const connection = connection_.get();
  for (;;) {
    // Its failure shows as an error result below.
    PQconsumeInput(connection);
    reply_->timing.done = Clock::now();
    if (reply_->timing.first_byte == TimePoint{}) {
      reply_->timing.first_byte = reply_->timing.done;
    }
    if (Pump()) {
      Finish();
      return;
    }
    // Readiness comes by edges, so nothing may be left: neither in the socket nor in the TLS layer.
    if (!FdWatch::Pending(PQsocket(connection)) && !TlsPending(connection)) break;
  }
  watch_.AwaitReadable();
}

/// Takes the results that are complete; true when the statement is over.
bool PgSession::Pump() {
  while (PQisBusy(connection_.get()) == 0) {
    PGresult* const result = PQgetResult(connection_.get());
    if (result == nullptr || !Take(result)) return true;
  }
  return false;
}

/// False when there is no sense in waiting for more.
bool PgSession::Take(PGresult* result) {
  switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY: reply_->Adopt(result); return true;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      PQclear(result);
      broken_ = true;
      reply_->failure = {ErrorKind::kStatus, "COPY is not supported in a scenario's statements"};
      return false;
    default:
      TakeError(result);
      PQclear(result);
      return true;
  }
}

void PgSession::TakeError(PGresult* result) {
  const bool lost = PQstatus(connection_.get()) == CONNECTION_BAD;
  broken_ = broken_ || lost;
  if (lost && family_->several) TellStale("a connection was lost");
  // What the server said before it hung up explains more than "server closed the connection".
  if (reply_->failure) return;
  const char* const sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) {
    reply_->failure = {ErrorKind::kProtocol, FailureText(PQresultErrorMessage(result))};
    if (last_words_) reply_->failure = last_words_;
    reply_->sqlstate = last_state_;
    broken_ = true;
    return;
  }
  reply_->sqlstate = sqlstate;
  reply_->failure = {
      ErrorKind::kStatus,
      fmt::format("{} (SQLSTATE {})",
                  FailureText(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)), sqlstate)};
  if (EndsSession(reply_->sqlstate)) broken_ = true;
  if (EndsServer(reply_->sqlstate)) TellStale(reply_->failure.text);
  if (use_prepared_ && reply_->sqlstate == "26000") MarkPrepared(statement_, false);
  // "cached plan must not change result type": the name is taken, only a new session helps.
  if (use_prepared_ && reply_->sqlstate == "0A000") broken_ = true;
}

void PgSession::Finish() {
  alarm_.Disarm();
  if (reply_->timing.first_byte == TimePoint{}) reply_->timing.first_byte = reply_->timing.done;
  reply_ = nullptr;
  if (WrongRole()) {
    broken_ = true;
    TellStale("the server is of another role now");
  }
  Resume();
}

void PgSession::OnAlarm() {
  expired_ = true;
  if (reply_ != nullptr) {
    GiveUp(ErrorKind::kTimeout, TimeoutText(loop_, "waiting for the reply"));
  } else {
    Resume();
  }
}

void PgSession::Abandon(const std::string& why) {
  if (reply_ != nullptr) GiveUp(ErrorKind::kProtocol, why);
}

/// The statement under way ends without an answer, and the session with it.
void PgSession::GiveUp(ErrorKind kind, std::string why) {
  broken_ = true;
  reply_->timing.done = Clock::now();
  reply_->failure = {kind, std::move(why)};
  reply_->sqlstate.clear();
  cancel_ = CancelOf(connection_.get());
  CancelLater(cancel_);
  Finish();
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
// How a session of PostgreSQL begins, and how it is made clean for the next borrower.
#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <vector>

#include "libperf/backends/failure_text.hpp"
#include "libperf/backends/pg_session.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

struct FreeTls {
  void operator()(SSL* session) const noexcept { SSL_free(session); }
};

/// libpq drops its TLS session together with the reason why it refused the certificate; a reference
/// of our own outlives that. It is taken when the session is made, for all may be over, from there
/// to its end, within one call of libpq.
class TlsWitness {
 public:
  /// PQconnectPoll, with this one looking on.
  PostgresPollingStatusType Poll(PGconn* connection) {
    static const int index = SSL_get_ex_new_index(0, nullptr, &OnNew, nullptr, nullptr);
    static_cast<void>(index);
    looking_ = this;
    const auto state = PQconnectPoll(connection);
    looking_ = nullptr;
    return state;
  }
  const SSL* Get() const noexcept { return kept_.get(); }

 private:
  static void OnNew(void* session, void*, CRYPTO_EX_DATA*, int, long, void*) {
    if (looking_ == nullptr) return;
    SSL_up_ref(static_cast<SSL*>(session));
    looking_->kept_.reset(static_cast<SSL*>(session));
  }
  static inline thread_local TlsWitness* looking_ = nullptr;
  std::unique_ptr<SSL, FreeTls> kept_;
};

bool IsOn(const char* value) noexcept {
  return value != nullptr && std::string_view(value) == "on";
}

}  // namespace

/// A server that crashed says so in a warning, and then nothing more.
void PgSession::TakeNotice(void* self, const pg_result* notice) {
  auto& session = *static_cast<PgSession*>(self);
  const std::string text = FailureText(PQresultErrorMessage(notice));
  Log(LogLevel::kDebug, "postgres: {}", text);
  const char* const sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr || !EndsServer(sqlstate)) return;
  session.last_state_ = sqlstate;
  session.last_words_ = {ErrorKind::kStatus, fmt::format("{} (SQLSTATE {})", text, sqlstate)};
  session.TellStale(session.last_words_.text);
}

Task<Failure> PgSession::Open(const PgOptions& options, Deadline deadline) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const auto& [key, value] : options) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(keys.data(), values.data(), 0));
  Failure failure;
  if (connection_ == nullptr) {
    failure = {ErrorKind::kConnect, "out of memory"};
    co_return failure;
  }
  PQsetNoticeReceiver(connection_.get(), TakeNotice, this);
  co_await Handshake(failure, deadline);
  if (!failure) co_await RunInit(failure, deadline);
  touched_ = false;
  co_return failure;
}

Task<void> PgSession::Handshake(Failure& failure, Deadline deadline) {
  PGconn* const connection = connection_.get();
  connecting_ = true;
  alarm_.Arm(deadline);
  TlsWitness tls;
  auto state =
      PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
    // libpq may have changed the socket (TLS refused): it is watched anew each time.
    watch_.Assign(PQsocket(connection));
    pending_ = true;
    state == PGRES_POLLING_READING ? watch_.AwaitReadableLevel() : watch_.AwaitWritable();
    Wait wait(*this);
    co_await wait;
    watch_.Release();
    if (expired_) {
      failure = {ErrorKind::kConnect, TimeoutText(loop_, "connecting")};
      co_return;
    }
    state = tls.Poll(connection);
  }
  alarm_.Disarm();
  connecting_ = false;
  if (state != PGRES_POLLING_OK || PQsetnonblocking(connection, 1) != 0) {
    failure = {ErrorKind::kConnect, ConnectFault(tls.Get())};
    co_return;
  }
  watch_.Assign(PQsocket(connection));
}

void PgSession::HurryOpen() {
  if (connecting_) alarm_.Arm(Deadline(Clock::now()));
}

std::string PgSession::ConnectFault(const ssl_st* tls) const {
  std::string text = FailureText(PQerrorMessage(connection_.get()));
  // "certificate verify failed" is all that libpq says.
  const long verdict = tls != nullptr ? SSL_get_verify_result(tls) : X509_V_OK;
  if (verdict != X509_V_OK && text.find("verify failed") != std::string::npos) {
    text += fmt::format(" ({})", X509_verify_cert_error_string(verdict));
  }
  return text;
}

Task<void> PgSession::RunInit(Failure& failure, Deadline deadline) {
  SqlReply reply;
  for (const std::string& text : family_->init) {
    co_await RunText(text, reply, deadline);
    if (!reply.failure && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
      reply.failure.text = "it leaves a transaction open";
      reply.failure.kind = ErrorKind::kStatus;
    }
    if (!reply.failure) continue;
    failure = {ErrorKind::kConnect, fmt::format("init statement \"{}\": {}", Excerpt(text, 60),
                                                Excerpt(reply.failure.text, 400))};
    co_return;
  }
}

bool PgSession::Reusable() const noexcept {
  if (broken_ || connection_ == nullptr || reply_ != nullptr) return false;
  if (PQstatus(connection_.get()) != CONNECTION_OK) return false;
  switch (PQtransactionStatus(connection_.get())) {
    case PQTRANS_IDLE: return true;
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR: return family_->reset != PostgresReset::kNone;
    default: return false;
  }
}

bool PgSession::Alive() noexcept {
  return Reusable() && !FdWatch::Pending(PQsocket(connection_.get()));
}

bool PgSession::NeedsReset() const noexcept {
  if (family_->reset == PostgresReset::kNone) return false;
  return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE ||
         (family_->reset == PostgresReset::kDiscard && touched_);
}

Task<bool> PgSession::Reset(Deadline deadline) {
  SqlReply reply;
  Failure failure;
  if (Reusable() && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
    const std::string text = "ROLLBACK";
    co_await RunText(text, reply, deadline);
  }
  if (!reply.failure && Reusable() && family_->reset == PostgresReset::kDiscard && touched_) {
    const std::string text = "DISCARD ALL";
    co_await RunText(text, reply, deadline);
    // It took prepared statements along, and what the init statements had set.
    prepared_.clear();
    if (!reply.failure) co_await RunInit(failure, deadline);
    touched_ = false;
  }
  co_return !reply.failure && !failure && Reusable() &&
      PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
}

/// Servers tell these two (since version 14) whenever they change, at the latest with the reply to
/// the next statement.
bool PgSession::WrongRole() const noexcept {
  if (family_->role == PgRole::kAny || connecting_ || connection_ == nullptr) return false;
  const bool standby = IsOn(PQparameterStatus(connection_.get(), "in_hot_standby"));
  switch (family_->role) {
    case PgRole::kReadWrite:
      return standby || IsOn(PQparameterStatus(connection_.get(), "default_transaction_read_only"));
    case PgRole::kPrimary: return standby;
    case PgRole::kStandby: {
      const char* const told = PQparameterStatus(connection_.get(), "in_hot_standby");
      return told != nullptr && !standby;
    }
    default: return false;
  }
}

void PgSession::TellStale(std::string_view why) const {
  if (epoch_ == family_->epoch && family_->on_stale) family_->on_stale(why);
}

}  // namespace perf::backends

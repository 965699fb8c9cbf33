// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/hiredis_asio.hpp"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "libperf/base/error.hpp"

#if HIREDIS_MAJOR >= 1 && __has_include(<hiredis/hiredis_ssl.h>)
#define PERF_HIREDIS_TLS 1
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#else
#define PERF_HIREDIS_TLS 0
#endif

namespace perf::backends {
namespace {

#if HIREDIS_MAJOR >= 1
using Elements = std::size_t;
#else
using Elements = int;
#endif

/// More than any sensible reply has; a length from a broken peer must not take all memory.
constexpr Elements kMaxElements = 1 << 20;
/// hiredis 0.14 stops at 7 to 9 levels by itself, later ones never.
constexpr int kMaxDepth = 64;

}  // namespace

/// hiredis' reader calls these instead of building redisReply trees: where the reply is not
/// kept nothing is allocated, where it is kept the Json is built at once.
struct HiredisStream::Parse {
  static HiredisStream& Of(const redisReadTask* task) {
    return *static_cast<HiredisStream*>(task->privdata);
  }
  static Json& Place(const redisReadTask* task) {
    if (task->parent == nullptr) return Of(task).value_;
    return static_cast<Json*>(task->parent->obj)->AsArray()[static_cast<std::size_t>(task->idx)];
  }
  static void* Put(const redisReadTask* task, Json value) {
    Json& place = Place(task);
    place = std::move(value);
    return &place;
  }
  static void* String(const redisReadTask* task, char* text, std::size_t length) {
    HiredisStream& stream = Of(task);
    if (task->type == REDIS_REPLY_ERROR && task->parent == nullptr) {
      stream.error_reply_.assign(text, length);
    }
    return stream.keep_ ? Put(task, std::string(text, length)) : &stream;
  }
  static void* Array(const redisReadTask* task, Elements elements) {
    if (Of(task).context_->reader->ridx >= kMaxDepth) return nullptr;
    if (!Of(task).keep_) return &Of(task);
    if (elements > kMaxElements) return nullptr;
    return Put(task, Json::Array(static_cast<std::size_t>(elements)));
  }
  static void* Integer(const redisReadTask* task, long long value) {
    return Of(task).keep_ ? Put(task, std::int64_t{value}) : &Of(task);
  }
  static void* Nil(const redisReadTask* task) {
    return Of(task).keep_ ? Put(task, nullptr) : &Of(task);
  }
  static void Release(void*) {}  // values belong to the stream

#if HIREDIS_MAJOR >= 1
  static void* Double(const redisReadTask* task, double value, char*, std::size_t) {
    return Of(task).keep_ ? Put(task, value) : &Of(task);
  }
  static void* Bool(const redisReadTask* task, int value) {
    return Of(task).keep_ ? Put(task, value != 0) : &Of(task);
  }
  static inline redisReplyObjectFunctions functions = {String, Array, Integer, Double,
                                                       Nil,    Bool,  Release};
#else
  static inline redisReplyObjectFunctions functions = {String, Array, Integer, Nil, Release};
#endif
};

void HiredisStream::Free::operator()(redisContext* context) const noexcept {
  redisFreeKeepFd(context);
}

HiredisStream::HiredisStream() = default;
HiredisStream::~HiredisStream() = default;

bool HiredisStream::HasTls() noexcept { return PERF_HIREDIS_TLS != 0; }

#if PERF_HIREDIS_TLS
namespace {

std::string TlsReason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason != nullptr ? reason : "OpenSSL gives no reason";
}

/// Why we do not trust the server; empty where we do.
std::string Refused(const SSL* ssl) {
  const long verdict = SSL_get_verify_result(ssl);
  const bool matters = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0;
  return matters && verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "";
}

/// Called when the server asks for a certificate of ours.
int NoteAsked(SSL*, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 1;
}

/// hiredis' own contexts check the chain but not the name, so the session is made here.
SSL* StartTls(redisContext* context, const HiredisStream::Tls& tls, const std::string& server_name,
              bool* asked) {
  SSL* const ssl = SSL_new(tls.get());
  if (ssl == nullptr) throw IoError("TLS to Redis: out of memory");
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, server_name.c_str()) != 1) {
    SSL_set_tlsext_host_name(ssl, server_name.c_str());
    SSL_set1_host(ssl, server_name.c_str());
  }
  SSL_set_cert_cb(ssl, NoteAsked, asked);
  ERR_clear_error();
  if (redisInitiateSSL(context, ssl) == REDIS_OK) return ssl;  // hiredis owns it now
  const std::string refused = Refused(ssl);
  SSL_free(ssl);
  throw IoError("TLS: " + (refused.empty() ? std::string(context->errstr) : refused));
}

/// OpenSSL writes without MSG_NOSIGNAL; the loop's thread has no use for the signal.
void BlockBrokenPipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace
#endif

HiredisStream::Tls HiredisStream::MakeTls(const RedisTls& files) {
#if PERF_HIREDIS_TLS
  const Tls tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (tls == nullptr) throw ConfigError("TLS to Redis: OpenSSL has no context");
  SSL_CTX_set_min_proto_version(tls.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(tls.get(), files.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  const auto use = [](const std::string& file, bool used) {
    if (!used) throw ConfigError("TLS to Redis: " + file + ": " + TlsReason());
  };
  ERR_clear_error();
  if (files.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(tls.get());  // or SSL_CERT_FILE and SSL_CERT_DIR
  } else {
    const char* const path = files.ca_file.c_str();
    use(files.ca_file, SSL_CTX_load_verify_locations(tls.get(), path, nullptr) == 1);
  }
  if (!files.cert_file.empty()) {
    const std::string& key = files.key_file.empty() ? files.cert_file : files.key_file;
    const char* const path = files.cert_file.c_str();
    use(files.cert_file, SSL_CTX_use_certificate_chain_file(tls.get(), path) == 1);
    use(key, SSL_CTX_use_PrivateKey_file(tls.get(), key.c_str(), SSL_FILETYPE_PEM) == 1);
  }
  return tls;
#else
  static_cast<void>(files);
  throw ConfigError("TLS to Redis needs hiredis >= 1.0");
#endif
}

void HiredisStream::Attach(int fd, const Tls& tls, const std::string& server_name) {
  context_.reset(redisConnectFd(fd));
  redisContext* const context = context_.get();
  if (context == nullptr) throw IoError("hiredis: out of memory");
  context->flags &= ~REDIS_BLOCK;
  context->reader->fn = &Parse::functions;
  context->reader->privdata = this;
#if PERF_HIREDIS_TLS
  if (tls != nullptr) {
    BlockBrokenPipe();
    tls_ = StartTls(context, tls, server_name, &asked_);
  }
#else
  static_cast<void>(tls);
  static_cast<void>(server_name);
#endif
}

bool HiredisStream::Break(std::string_view why) {
  error_ = why;
  return false;
}

bool HiredisStream::Send(std::string_view bytes) {
  if (tls_ != nullptr) {
    if (redisAppendFormattedCommand(context_.get(), bytes.data(), bytes.size()) != REDIS_OK) {
      write_failed_ = true;
    }
    return Flush();
  }
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
    const auto wrote = ::send(context_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (wrote > 0) bytes.remove_prefix(static_cast<std::size_t>(wrote));
    if (bytes.empty()) return true;
  }
  out_ += bytes;
  return Flush();
}

bool HiredisStream::Flush() {
  if (tls_ != nullptr) {
    int done = 0;
    if (!write_failed_ && redisBufferWrite(context_.get(), &done) != REDIS_OK) write_failed_ = true;
    return write_failed_ || done != 0;
  }
  while (sent_ < out_.size() && !write_failed_) {
    const auto wrote = ::send(context_->fd, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (wrote > 0) {
      sent_ += static_cast<std::size_t>(wrote);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return false;
    } else if (errno != EINTR) {
      write_failed_ = true;
    }
  }
  return true;
}

bool HiredisStream::WantsRead() const noexcept {
  pollfd entry{context_->fd, POLLOUT, 0};
  return tls_ != nullptr && ::poll(&entry, 1, 0) > 0;
}

#if PERF_HIREDIS_TLS
/// hiredis says "Success" for a certificate that was refused.
std::string HiredisStream::HandshakeFault() const {
  const std::string refused = Refused(tls_);
  if (!refused.empty()) return "TLS: " + refused;
  const bool told = ERR_peek_last_error() != 0;
  const bool closed = context_->err == REDIS_ERR_EOF;
  std::string text = told     ? "TLS: " + TlsReason()
                     : closed ? std::string("the server closed the connection")
                              : std::string(context_->errstr);
  // In TLS 1.3 we speak before we know of it, and what the server said is lost when it hangs up.
  if (asked_) text += "; it had asked for a certificate of ours";
  return text;
}
#endif

bool HiredisStream::Fill() {
#if PERF_HIREDIS_TLS
  if (tls_ != nullptr) ERR_clear_error();
#endif
  if (redisBufferRead(context_.get()) == REDIS_OK) return true;
#if PERF_HIREDIS_TLS
  if (tls_ != nullptr && !answered_) return Break(HandshakeFault());
#endif
  if (context_->err == REDIS_ERR_EOF) return Break("the server closed the connection");
  return Break(context_->errstr);
}

HiredisStream::Step HiredisStream::Next() {
  redisReader* const reader = context_->reader;
  void* reply = nullptr;
  error_reply_.clear();
  if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
    // Without memory is how a callback ends the reading.
    Break(reader->err == REDIS_ERR_OOM ? "a reply of too many elements or levels" : reader->errstr);
    return Step::kBroken;
  }
  if (reply == nullptr) return Step::kMore;
  answered_ = true;
  return Step::kReply;
}

bool HiredisStream::HasRest() const noexcept {
  return context_->reader->pos < context_->reader->len;
}

}  // namespace perf::backends

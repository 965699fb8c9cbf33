// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_curl.hpp"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <coroutine>
#include <string>
#include <utility>

#include "libperf/backends/curl_multi.hpp"
#include "libperf/backends/http1_parser.hpp"
#include "libperf/backends/http_common.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr Http1Limits kLimits;  // the same as the native client's, where curl has none of its own

class HeaderList {
 public:
  HeaderList() noexcept = default;
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void Clear() noexcept { curl_slist_free_all(std::exchange(list_, nullptr)); }
  void Add(const HttpHeader& header) {
    // "Name:" would take the header out; an empty one is written with a semicolon.
    Add(header.first + (header.second.empty() ? ";" : ": " + header.second));
  }
  void Add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list_ = longer;
  }
  curl_slist* Get() const noexcept { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

/// Which error a code counts as; `connected`: it had come as far as sending the request.
ErrorKind KindOf(CURLcode code, bool connected) noexcept {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return connected ? ErrorKind::kTimeout : ErrorKind::kConnect;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_NO_CONNECTION_AVAILABLE:
    case CURLE_PROXY: return ErrorKind::kConnect;
    default: return ErrorKind::kProtocol;
  }
}

/// What the handles of one connector share.
struct Shared {
  Shared(EventLoop& loop, HttpConfig&& c)
      : config(std::move(c)), preamble(config), multi(std::make_shared<CurlMulti>(loop)) {
    const Url& base = config.base;
    url = base.scheme + "://" + (base.host.empty() ? "localhost" : base.Authority());
    // A proxy that does not tunnel is asked for whole URLs.
    whole_url = !config.proxy.empty() && base.scheme == "http";
  }

  HttpConfig config;
  HttpPreamble preamble;
  std::shared_ptr<CurlMulti> multi;
  std::string url;
  bool whole_url = false;
};

long VersionOf(const HttpConfig& config) noexcept {
  const bool tls = config.base.scheme == "https";
  if (config.version == HttpVersion::k11) return CURL_HTTP_VERSION_1_1;
  if (config.version == HttpVersion::k2 && !tls) return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
  return tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
}

void SetText(CURL* easy, CURLoption option, const std::string& value) {
  if (!value.empty()) curl_easy_setopt(easy, option, value.c_str());
}

/// One easy handle with all that stays the same from request to request.
CURL* MakeEasy(Shared& shared, char* error_buffer) {
  CURL* easy = curl_easy_init();
  if (easy == nullptr) throw std::bad_alloc();
  const HttpConfig& config = shared.config;
  shared.multi->Prepare(easy);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_buffer);
  curl_easy_setopt(easy, CURLOPT_URL, shared.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, VersionOf(config));
  // For a connection that may carry many streams it is worth waiting until that is known.
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  // "" beats the environment: only what the scenario names is asked.
  curl_easy_setopt(easy, CURLOPT_PROXY, config.proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config.verify ? 2L : 0L);
  if (!config.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  SetText(easy, CURLOPT_CAINFO, config.ca_file);
  SetText(easy, CURLOPT_SSLCERT, config.cert_file);
  SetText(easy, CURLOPT_SSLKEY, config.key_file);
  SetText(easy, CURLOPT_UNIX_SOCKET_PATH, config.unix_socket);
  return easy;
}

class CurlConnection final : public HttpConnection, private CurlTransfer {
 public:
  explicit CurlConnection(std::shared_ptr<Shared> shared);
  ~CurlConnection() override {
    Stop();
    curl_easy_cleanup(easy_);
  }
  CurlConnection(const CurlConnection&) = delete;
  CurlConnection& operator=(const CurlConnection&) = delete;

  bool Reusable() const noexcept override { return usable_; }
  // curl itself looks at an idle connection before it uses it.
  bool Alive() noexcept override { return usable_; }
  Task<void> Exchange(const HttpRequest& request, HttpReply& reply, Deadline deadline) override;

 private:
  struct Ended {
    CurlConnection& self;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { self.waiter_ = handle; }
    void await_resume() const noexcept {}
  };
  struct Exchanging {
    CurlConnection& self;
    ~Exchanging() { self.Stop(); }
  };

  static std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t OnBody(char* data, std::size_t, std::size_t size, void* self);

  void OnDone(CURLcode result) override;
  void Stop() noexcept;
  bool Begin(const HttpRequest& request, HttpReply& reply, Deadline deadline);
  void SetRequest(const HttpRequest& request);
  void SetHeaders(const HttpRequest& request);
  void End();
  bool TakeHeader(std::string_view line);

  std::shared_ptr<Shared> shared_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  CURL* easy_;
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  const HttpRequest* request_ = nullptr;
  HttpReply* reply_ = nullptr;
  CURLcode result_ = CURLE_OK;
  bool running_ = false;
  bool usable_ = true;
  std::size_t head_bytes_ = 0;
  unsigned fields_ = 0;
  const char* too_much_ = nullptr;
  // What the handle is set to, so that a steady load sets nothing.
  std::string method_ = "GET";
  std::string target_;
  bool sends_body_ = false;
  bool headers_set_ = false;
  std::vector<HttpHeader> extra_;
  HeaderList list_;
};

CurlConnection::CurlConnection(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)),
      easy_(MakeEasy(*shared_, error_.data())),
      alarm_(shared_->multi->Loop(), [this] {
        Stop();
        OnDone(CURLE_OPERATION_TIMEDOUT);
      }) {
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &CurlConnection::OnHeader);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &CurlConnection::OnBody);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
}

void CurlConnection::Stop() noexcept {
  alarm_.Disarm();
  if (std::exchange(running_, false)) shared_->multi->Abandon(easy_);
}

void CurlConnection::OnDone(CURLcode result) {
  running_ = false;
  result_ = result;
  // The coroutine may destroy this connection: nothing may follow.
  if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
}

std::size_t CurlConnection::OnHeader(char* data, std::size_t, std::size_t size, void* self) {
  return static_cast<CurlConnection*>(self)->TakeHeader({data, size}) ? size : 0;
}

bool CurlConnection::TakeHeader(std::string_view line) {
  HttpReply& reply = *reply_;
  if (reply.timing.first_byte == TimePoint{}) reply.timing.first_byte = Clock::now();
  head_bytes_ += line.size();
  if (head_bytes_ > kLimits.head || line.size() > kLimits.line || ++fields_ > kLimits.fields) {
    too_much_ = "a head longer than the limit";
    return false;
  }
  if (!request_->keep_headers) return true;
  if (line.substr(0, 5) == "HTTP/") {
    reply.headers.clear();  // those of an interim reply
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  reply.headers.emplace_back(line.substr(0, colon), Trim(line.substr(colon + 1)));
  return true;
}

std::size_t CurlConnection::OnBody(char* data, std::size_t, std::size_t size, void* self) {
  auto& connection = *static_cast<CurlConnection*>(self);
  HttpReply& reply = *connection.reply_;
  if (reply.timing.first_byte == TimePoint{}) reply.timing.first_byte = Clock::now();
  reply.body_bytes += size;
  const std::uint64_t max_kept = connection.shared_->config.max_body_kept;
  if (connection.request_->keep_body && reply.body.size() < max_kept) {
    const std::uint64_t room = max_kept - reply.body.size();
    reply.body.append(data, static_cast<std::size_t>(std::min<std::uint64_t>(room, size)));
  }
  return size;
}

void CurlConnection::SetHeaders(const HttpRequest& request) {
  if (headers_set_ && request.headers == extra_) return;
  extra_ = request.headers;
  headers_set_ = true;
  list_.Clear();
  for (const HttpHeader& header : shared_->preamble.Headers()) {
    if (!HasHeader(extra_, header.first)) list_.Add(header);
  }
  for (const HttpHeader& header : extra_) list_.Add(header);
  // What curl would add by itself, and the native client does not.
  for (const char* name : {"Accept", "Content-Type", "Expect"}) {
    const bool given = HasHeader(extra_, name) || HasHeader(shared_->preamble.Headers(), name);
    if (!given) list_.Add(std::string(name) + ":");
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, list_.Get());
}

void CurlConnection::SetRequest(const HttpRequest& request) {
  const bool has_body = !request.body.empty() || MethodHasBody(request.method);
  if (request.method != method_ || has_body != sends_body_) {
    method_ = request.method;
    sends_body_ = has_body;
    curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);  // undoes NOBODY and POST
    if (has_body) curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    if (method_ == "HEAD") curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
    const bool plain = method_ == (has_body ? "POST" : "GET") || method_ == "HEAD";
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, plain ? nullptr : method_.c_str());
  }
  if (has_body) {
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (request.target != target_) {
    target_ = request.target;
    if (shared_->whole_url) {
      curl_easy_setopt(easy_, CURLOPT_URL, (shared_->url + target_).c_str());
    } else {
      curl_easy_setopt(easy_, CURLOPT_REQUEST_TARGET, target_.c_str());
    }
  }
  SetHeaders(request);
}

bool CurlConnection::Begin(const HttpRequest& request, HttpReply& reply, Deadline deadline) {
  reply.Clear();
  reply.timing.sent = reply.timing.done = Clock::now();
  if (const std::string_view why = WhyNotSendable(request); !why.empty()) {
    FailReply(reply, ErrorKind::kProtocol, why);
    return false;
  }
  if (deadline.Passed(reply.timing.sent)) {
    FailReply(reply, ErrorKind::kTimeout, "no time was left to send the request");
    return false;
  }
  request_ = &request;
  reply_ = &reply;
  head_bytes_ = 0;
  fields_ = 0;
  too_much_ = nullptr;
  error_[0] = '\0';
  SetRequest(request);
  running_ = shared_->multi->Start(easy_, *this);
  if (!running_) {
    usable_ = false;
    FailReply(reply, ErrorKind::kProtocol, "libcurl does not take the transfer");
    return false;
  }
  alarm_.Arm(deadline);
  return true;
}

Task<void> CurlConnection::Exchange(const HttpRequest& request, HttpReply& reply,
                                    Deadline deadline) {
  if (!Begin(request, reply, deadline)) co_return;
  const Exchanging guard{*this};
  co_await Ended{*this};
  End();
}

void CurlConnection::End() {
  HttpReply& reply = *reply_;
  reply.timing.done = Clock::now();
  long status = 0;
  long version = 0;
  long connects = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy_, CURLINFO_HTTP_VERSION, &version);
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &connects);
  reply.status = static_cast<int>(status);
  reply.version = version >= CURL_HTTP_VERSION_2_0   ? 20
                  : version == CURL_HTTP_VERSION_1_1 ? 11
                  : version == CURL_HTTP_VERSION_1_0 ? 10
                                                     : 0;
  curl_off_t connected_us = 0;
  if (connects > 0) {
    // Connecting is no service: the native client does it in Dial.
    curl_easy_getinfo(easy_, CURLINFO_APPCONNECT_TIME_T, &connected_us);
    if (connected_us == 0) curl_easy_getinfo(easy_, CURLINFO_CONNECT_TIME_T, &connected_us);
    const TimePoint sent = reply.timing.sent + std::chrono::microseconds(connected_us);
    const bool answered = reply.timing.first_byte != TimePoint{};
    reply.timing.sent = std::min(sent, answered ? reply.timing.first_byte : reply.timing.done);
  }
  if (result_ == CURLE_OK) {
    if (reply.version == 20 || shared_->config.version != HttpVersion::k2) return;
    usable_ = false;
    FailReply(reply, ErrorKind::kProtocol, "the server did not agree to HTTP/2");
    return;
  }
  usable_ = false;
  curl_off_t begun_us = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
  std::string text = error_[0] != '\0' ? error_.data() : curl_easy_strerror(result_);
  if (too_much_ != nullptr) text = too_much_;
  if (result_ == CURLE_OPERATION_TIMEDOUT) {
    text = begun_us == 0 ? "connecting timed out"
           : reply.timing.first_byte == TimePoint{}
               ? "no reply in time"
               : "the reply was not whole in time, after " + std::to_string(reply.body_bytes) +
                     " body bytes";
  }
  FailReply(reply, KindOf(result_, begun_us != 0), text);
}

/// A handle that connects and does nothing more.
class CurlProbe final : private CurlTransfer {
 public:
  explicit CurlProbe(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)),
        easy_(MakeEasy(*shared_, error_.data())),
        alarm_(shared_->multi->Loop(), [this] {
          Stop();
          OnDone(CURLE_OPERATION_TIMEDOUT);
        }) {
    curl_easy_setopt(easy_, CURLOPT_CONNECT_ONLY, 1L);
  }
  ~CurlProbe() {
    Stop();
    curl_easy_cleanup(easy_);
  }
  CurlProbe(const CurlProbe&) = delete;
  CurlProbe& operator=(const CurlProbe&) = delete;

  bool Start(Deadline deadline) {
    running_ = shared_->multi->Start(easy_, *this);
    alarm_.Arm(deadline);
    return running_;
  }
  bool await_ready() const noexcept { return !running_; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiter_ = handle; }
  void await_resume() const noexcept {}
  void Tell(Failure& failure) const {
    if (result_ == CURLE_OK) return;
    const bool late = result_ == CURLE_OPERATION_TIMEDOUT;
    failure.kind = ErrorKind::kConnect;
    failure.text = "connect to " + shared_->url + ": " +
                   (late                ? "timed out"
                    : error_[0] != '\0' ? error_.data()
                                        : curl_easy_strerror(result_));
  }

 private:
  void OnDone(CURLcode result) override {
    running_ = false;
    result_ = result;
    if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
  }
  void Stop() noexcept {
    alarm_.Disarm();
    if (std::exchange(running_, false)) shared_->multi->Abandon(easy_);
  }

  std::shared_ptr<Shared> shared_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  CURL* easy_;
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  CURLcode result_ = CURLE_FAILED_INIT;
  bool running_ = false;
};

class CurlConnector final : public HttpConnector {
 public:
  CurlConnector(EventLoop& loop, HttpConfig&& config)
      : shared_(std::make_shared<Shared>(loop, std::move(config))) {}

  Task<Dialled<HttpConnection>> Dial(Deadline) override {
    Dialled<HttpConnection> dialled;
    dialled.connection = std::make_unique<CurlConnection>(shared_);
    co_return dialled;
  }

  Task<void> Probe(Failure& failure, Deadline deadline) override {
    failure.Clear();
    CurlProbe probe(shared_);
    probe.Start(deadline);
    co_await probe;
    probe.Tell(failure);
  }

 private:
  std::shared_ptr<Shared> shared_;
};

void CheckFile(const std::string& path, const char* what) {
  if (!path.empty() && ::access(path.c_str(), R_OK) != 0) {
    throw ConfigError(std::string(what) + " '" + path + "' cannot be read");
  }
}

}  // namespace

std::unique_ptr<HttpConnector> MakeCurlConnector(EventLoop& loop, HttpConfig config) {
  CheckFile(config.ca_file, "the CA file");
  CheckFile(config.cert_file, "the certificate");
  CheckFile(config.key_file, "the key");
  const int features = curl_version_info(CURLVERSION_NOW)->features;
  if (config.version == HttpVersion::k2 && (features & CURL_VERSION_HTTP2) == 0) {
    throw ConfigError("this libcurl has no HTTP/2");
  }
  if (config.base.scheme == "https" && (features & CURL_VERSION_SSL) == 0) {
    throw ConfigError("this libcurl has no TLS");
  }
  return std::make_unique<CurlConnector>(loop, std::move(config));
}

}  // namespace perf::backends

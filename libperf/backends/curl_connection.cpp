// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/curl_connection.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "libperf/backends/http1_parser.hpp"
#include "libperf/backends/http_common.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr Http1Limits kLimits;  // the same as the native client's, where curl has none of its own

ErrorKind KindOf(CURLcode code) noexcept {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return ErrorKind::kTimeout;
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

/// Of TLS, about a certificate.
bool TellsAlert(std::string_view text) noexcept {
  return text.find(" alert ") != text.npos &&
         (text.find("certificate") != text.npos || text.find("unknown ca") != text.npos);
}

}  // namespace

CurlConnection::CurlConnection(std::shared_ptr<CurlTarget> target)
    : target_(std::move(target)),
      easy_(target_->MakeEasy(error_.data())),
      alarm_(target_->multi->Loop(), [this] {
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
  if (std::exchange(running_, false)) target_->multi->Abandon(easy_);
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

/// Called for each line of each head, its end included, and of the trailers.
bool CurlConnection::TakeHeader(std::string_view line) {
  HttpReply& reply = *reply_;
  if (reply.timing.first_byte == TimePoint{}) reply.timing.first_byte = Clock::now();
  head_bytes_ += line.size();
  if (head_bytes_ > kLimits.head || line.size() > kLimits.line || ++fields_ > kLimits.fields) {
    bad_head_ = "a head longer than the limit";
    return false;
  }
  if (line.substr(0, 5) == "HTTP/") {
    // The final reply may follow an interim one, whose fields do not count.
    head_ended_ = false;
    length_.reset();
    reply.headers.clear();
    // curl would go on waiting for the reply behind it.
    if (line.substr(0, 12) == "HTTP/1.1 101") bad_head_ = "an upgrade that was not asked for";
    return bad_head_ == nullptr;
  }
  if (line[0] == '\r' || line[0] == '\n') {
    head_ended_ = true;
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || line[0] == ' ' || line[0] == '\t') {
    bad_head_ = "a bad or folded header field";
    return false;
  }
  const std::string_view name = line.substr(0, colon);
  // curl reads a length that is too large for it as none, and takes the last one of several.
  if (name.size() == 14 && EqualsIgnoreCase(name, "content-length") &&
      !TakeContentLength(Trim(line.substr(colon + 1)), length_)) {
    bad_head_ = "a bad or contradicting Content-Length";
    return false;
  }
  // Of a list, such as "x, close", curl 8.14 reads the first word only.
  if (name.size() == 10 && EqualsIgnoreCase(name, "connection") && !closes_ &&
      ToLower(line.substr(colon + 1)).find("close") != std::string::npos) {
    closes_ = true;
    curl_easy_setopt(easy_, CURLOPT_FORBID_REUSE, 1L);
  }
  if (request_->keep_headers) reply.headers.emplace_back(name, Trim(line.substr(colon + 1)));
  return true;
}

bool CurlConnection::IsError() const noexcept {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return status >= 400;
}

std::size_t CurlConnection::OnBody(char* data, std::size_t, std::size_t size, void* self) {
  auto& connection = *static_cast<CurlConnection*>(self);
  HttpReply& reply = *connection.reply_;
  if (reply.timing.first_byte == TimePoint{}) reply.timing.first_byte = Clock::now();
  reply.body_bytes += size;
  const std::uint64_t max_kept =
      connection.request_->keep_body ? connection.target_->config.max_body_kept : kErrorBodyKept;
  if ((connection.request_->keep_body || connection.IsError()) && reply.body.size() < max_kept) {
    const std::uint64_t room = max_kept - reply.body.size();
    reply.body.append(data, static_cast<std::size_t>(std::min<std::uint64_t>(room, size)));
  }
  return size;
}

/// A short list pays: curl compares each of its lines with a dozen names per request.
void CurlConnection::SetHeaders(const HttpRequest& request) {
  if (headers_set_ && sends_body_ == headers_for_body_ && request.headers == extra_) return;
  extra_ = request.headers;
  headers_for_body_ = sends_body_;
  headers_set_ = true;
  list_.Clear();
  const HttpPreamble& preamble = target_->preamble;
  for (const HttpHeader& header : preamble.Headers()) {
    if (!preamble.IsDefault(header) && !HasHeader(extra_, header.first)) list_.Add(header);
  }
  for (const HttpHeader& header : extra_) list_.Add(header);
  // What curl would add by itself, and the native client does not.
  for (const char* name : {"Accept", "Content-Type", "Expect"}) {
    const bool added = sends_body_ || name == std::string_view("Accept");
    const bool given = HasHeader(extra_, name) || HasHeader(preamble.Headers(), name);
    if (added && !given) list_.Add(std::string(name) + ":");
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
  if (request.target != path_) {
    path_ = request.target;
    if (target_->whole_url) {
      curl_easy_setopt(easy_, CURLOPT_URL, (target_->url + path_).c_str());
    } else {
      curl_easy_setopt(easy_, CURLOPT_REQUEST_TARGET, path_.c_str());
    }
  }
  SetHeaders(request);
}

bool CurlConnection::Begin(const HttpRequest& request, HttpReply& reply, Deadline deadline) {
  if (!BeginReply(request, reply, deadline)) return false;
  request_ = &request;
  reply_ = &reply;
  head_bytes_ = 0;
  fields_ = 0;
  head_ended_ = false;
  length_.reset();
  bad_head_ = nullptr;
  if (std::exchange(closes_, false)) curl_easy_setopt(easy_, CURLOPT_FORBID_REUSE, 0L);
  error_[0] = '\0';
  SetRequest(request);
  running_ = target_->multi->Start(easy_, *this);
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
  TakeFacts();
  const bool wants_h2 = target_->config.version == HttpVersion::k2;
  if (result_ == CURLE_OK && head_ended_ && (reply.version == 20 || !wants_h2)) return;
  usable_ = false;
  curl_off_t begun_us = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
  if (result_ == CURLE_OK) {
    FailReply(
        reply, ErrorKind::kProtocol,
        head_ended_ ? "the server did not agree to HTTP/2" : "closed by peer within the head");
  } else if (result_ == CURLE_OPERATION_TIMEDOUT) {
    TellTimeout(begun_us != 0);
  } else {
    const std::string text = CurlErrorText(easy_, result_, error_.data());
    // In TLS 1.3 a server refuses the client's certificate when we take the handshake for done.
    const bool refused = reply.timing.first_byte == TimePoint{} && TellsAlert(text);
    FailReply(reply, refused ? ErrorKind::kConnect : KindOf(result_),
              bad_head_ != nullptr ? std::string_view(bad_head_) : text);
  }
}

void CurlConnection::TellTimeout(bool connected) {
  HttpReply& reply = *reply_;
  if (!connected) {
    FailReply(reply, ErrorKind::kConnect, "connecting timed out");
  } else if (reply.timing.first_byte == TimePoint{}) {
    FailReply(reply, ErrorKind::kTimeout, "no reply in time");
  } else {
    FailReply(reply, ErrorKind::kTimeout,
              "the reply was not whole in time, after " + std::to_string(reply.body_bytes) +
                  " body bytes");
  }
}

/// What curl knows of a transfer that ended.
void CurlConnection::TakeFacts() {
  HttpReply& reply = *reply_;
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
  if (connects == 0) return;
  // Connecting is no service: the native client does it in Dial.
  curl_off_t connected_us = 0;
  curl_easy_getinfo(easy_, CURLINFO_APPCONNECT_TIME_T, &connected_us);
  if (connected_us == 0) curl_easy_getinfo(easy_, CURLINFO_CONNECT_TIME_T, &connected_us);
  const TimePoint sent = reply.timing.sent + std::chrono::microseconds(connected_us);
  const bool answered = reply.timing.first_byte != TimePoint{};
  reply.timing.sent = std::min(sent, answered ? reply.timing.first_byte : reply.timing.done);
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_common.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "libperf/backends/http_curl.hpp"
#include "libperf/backends/http_native.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kMaxFailureText = 512;

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = i; j < i + 3; ++j) {
      group = group << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      const bool filled = i + j <= bytes.size();
      out += filled ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

bool GoodName(std::string_view name) noexcept {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool GoodValue(std::string_view value) noexcept {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool GoodTarget(std::string_view target) noexcept {
  return !target.empty() && std::none_of(target.begin(), target.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  });
}

void AppendLine(const HttpHeader& header, std::string& out) {
  out += header.first;
  out += ": ";
  out += header.second;
  out += "\r\n";
}

/// Why that request cannot be sent as it is; empty where it can. Values come from templates and
/// captures, and a line break in one would smuggle another request in.
std::string_view WhyNotSendable(const HttpRequest& request) noexcept {
  if (!GoodName(request.method)) return "the method is not a word";
  if (request.method == "CONNECT") return "the method CONNECT is not supported";
  if (!GoodTarget(request.target)) {
    return "the path is empty, or has a blank or a control character in it";
  }
  for (const auto& [name, value] : request.headers) {
    if (!GoodName(name)) return "a header's name has a character that it cannot have";
    if (!GoodValue(value)) return "a header's value has a line break in it";
    if (EqualsIgnoreCase(name, "Content-Length") || EqualsIgnoreCase(name, "Transfer-Encoding")) {
      return "Content-Length and Transfer-Encoding are set by the client only";
    }
  }
  return {};
}

}  // namespace

HttpConnector::~HttpConnector() = default;

void HttpReply::Clear() noexcept {
  failure.Clear();
  timing = Timing{};
  status = version = 0;
  headers.clear();
  body.clear();
  body_bytes = 0;
}

const std::string* HttpReply::Header(std::string_view name) const noexcept {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return &value;
  }
  return nullptr;
}

HttpPreamble::HttpPreamble(const HttpConfig& config)
    : host_(config.base.host.empty() ? "localhost" : config.base.Authority()) {
  const Url& base = config.base;
  headers_.emplace_back("Host", host_);
  headers_.emplace_back("User-Agent", kUserAgent);
  if (!base.user.empty() || !base.password.empty()) {
    headers_.emplace_back("Authorization", "Basic " + Base64(base.user + ":" + base.password));
  }
  for (const HttpHeader& header : config.headers) {
    if (!GoodName(header.first) || !GoodValue(header.second)) {
      throw ConfigError(fmt::format("header '{}' cannot be sent", Excerpt(header.first, 80)));
    }
    std::erase_if(headers_, [&](const HttpHeader& other) {
      return EqualsIgnoreCase(other.first, header.first);
    });
  }
  headers_.insert(headers_.end(), config.headers.begin(), config.headers.end());
  for (const HttpHeader& header : headers_) AppendLine(header, lines_);
}

bool HttpPreamble::IsDefault(const HttpHeader& header) const noexcept {
  return (header.first == "Host" && header.second == host_) ||
         (header.first == "User-Agent" && header.second == kUserAgent);
}

void HttpPreamble::AppendHead(const HttpRequest& request, std::string& out) const {
  out += request.method;
  out += ' ';
  out += request.target;
  out += " HTTP/1.1\r\n";
  if (request.headers.empty()) {
    out += lines_;
  } else {
    for (const HttpHeader& header : headers_) {
      if (!HasHeader(request.headers, header.first)) AppendLine(header, out);
    }
    for (const HttpHeader& header : request.headers) AppendLine(header, out);
  }
  if (!request.body.empty() || MethodHasBody(request.method)) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, request.body.size()).ptr;
    out += "Content-Length: ";
    out.append(digits, end);
    out += "\r\n";
  }
  out += "\r\n";
}

bool BeginReply(const HttpRequest& request, HttpReply& reply, Deadline deadline) {
  reply.Clear();
  reply.timing.sent = reply.timing.done = Clock::now();
  if (const std::string_view why = WhyNotSendable(request); !why.empty()) {
    FailReply(reply, ErrorKind::kProtocol, why);
    return false;
  }
  if (!deadline.Passed(reply.timing.sent)) return true;
  FailReply(reply, ErrorKind::kTimeout, "no time was left to send the request");
  return false;
}

bool MethodHasBody(std::string_view method) noexcept {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

bool HasHeader(const std::vector<HttpHeader>& headers, std::string_view name) noexcept {
  return std::any_of(headers.begin(), headers.end(), [&](const HttpHeader& header) {
    return EqualsIgnoreCase(header.first, name);
  });
}

void FailReply(HttpReply& reply, ErrorKind kind, std::string_view text) {
  reply.failure.kind = kind;
  // It may quote what the peer sent.
  reply.failure.text = MaskSecrets(text).substr(0, kMaxFailureText);
}

std::unique_ptr<HttpConnector> MakeHttpConnector(EventLoop& loop, HttpConfig config) {
  const std::string& scheme = config.base.scheme;
  const bool tls = scheme == "https";
  if (!tls && scheme != "http") {
    throw ConfigError(fmt::format("'{}' is no scheme of HTTP: use http or https", scheme));
  }
  if (config.base.host.empty() && config.unix_socket.empty()) {
    throw ConfigError("the URL names no host");
  }
  const bool native_can = !tls && config.proxy.empty() && config.version != HttpVersion::k2;
  if (config.client == HttpClient::kNative && !native_can) {
    throw ConfigError(
        fmt::format("client: native speaks plain HTTP/1.1 only, not {}; use auto or curl",
                    tls                     ? "https"
                    : !config.proxy.empty() ? "through a proxy"
                                            : "HTTP/2"));
  }
  if (config.client == HttpClient::kCurl || !native_can) {
    return MakeCurlConnector(loop, std::move(config));
  }
  return MakeNativeConnector(loop, std::move(config));
}

}  // namespace perf::backends

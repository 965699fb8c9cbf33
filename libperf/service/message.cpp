// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"
#include "libperf/service/gzip.hpp"

namespace perf::service {
namespace {

constexpr std::size_t kMostTarget = 2048;
constexpr std::size_t kWorthGzip = 1024;

bool PlainPath(std::string_view path) noexcept {
  if (path.empty() || path.front() != '/') return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == '/' || c == '.') {
      // No "//", "/." or "..": every file and path of ours goes without.
      if (i > 0 && (path[i - 1] == '/' || path[i - 1] == '.')) return false;
    } else if (!letter && c != '_' && c != '-') {
      return false;
    }
  }
  return true;
}

/// FNV-1a, 64 bits: tells versions of our own answers apart, no more.
std::uint64_t HashOf(std::string_view text) noexcept {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

/// Whether a list such as "gzip;q=0.5, br" welcomes gzip.
bool WelcomesGzip(std::string_view accepted) {
  for (const std::string_view part : Split(accepted, ',')) {
    const auto words = Split(part, ';');
    const std::string_view coding = Trim(words[0]);
    if (!EqualsIgnoreCase(coding, "gzip") && coding != "*") continue;
    for (std::size_t i = 1; i < words.size(); ++i) {
      const std::string_view parameter = Trim(words[i]);
      if (parameter.starts_with("q=") && ParseNumber(parameter.substr(2)).value_or(0) <= 0) {
        return false;
      }
    }
    return true;
  }
  return false;
}

bool Matches(std::string_view list, std::string_view tag) {
  for (std::string_view part : Split(list, ',')) {
    part = Trim(part);
    if (part.starts_with("W/")) part.remove_prefix(2);
    if (part == tag || part == "*") return true;
  }
  return false;
}

}  // namespace

std::string_view Request::Field(std::string_view name) const noexcept {
  for (const auto& [field, value] : fields) {
    if (field == name) return value;
  }
  return {};
}

std::optional<std::string> Request::Parameter(std::string_view name) const {
  for (const std::string_view part : Split(query, '&')) {
    const std::size_t equal = part.find('=');
    if (PercentDecode(part.substr(0, equal)) != name) continue;
    std::string value(equal == part.npos ? "" : part.substr(equal + 1));
    std::replace(value.begin(), value.end(), '+', ' ');
    return PercentDecode(value);
  }
  return std::nullopt;
}

bool TakeTarget(std::string_view target, Request& request) {
  if (target.size() > kMostTarget) return false;
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (!PlainPath(path)) return false;
  request.target = target;
  request.path = path;
  request.query = mark == target.npos ? "" : target.substr(mark + 1);
  return std::none_of(request.query.begin(), request.query.end(),
                      [](unsigned char c) { return c <= ' ' || c >= 0x7f; });
}

Reply JsonReply(const Json& body, int status) {
  Reply reply;
  reply.status = status;
  reply.body = std::make_shared<const std::string>(body.Dump() + "\n");
  return reply;
}

Reply Problem(int status, std::string_view detail) {
  Json body = Json::MakeObject();
  body["type"] = "about:blank";
  body["title"] = ReasonPhrase(status);
  body["status"] = status;
  body["detail"] = detail;
  Reply reply = JsonReply(body, status);
  reply.content_type = "application/problem+json";
  reply.cache_control = "no-store";
  return reply;
}

std::string_view ReasonPhrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    default: return "Status";
  }
}

void Finish(const Request& request, Reply& reply) {
  reply.fields.emplace_back("Cache-Control", reply.cache_control);
  reply.fields.emplace_back("X-Content-Type-Options", "nosniff");
  if (!reply.body) reply.body = std::make_shared<const std::string>();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads) {
    reply.fields.emplace_back(
        "Vary", reply.vary.empty() ? "Accept-Encoding" : "Accept-Encoding, " + reply.vary);
  }
  const bool gzip =
      reply.body->size() >= kWorthGzip && WelcomesGzip(request.Field("accept-encoding"));
  if (reads && reply.status == 200 && reply.cache_control != "no-store") {
    // The encoded form is another representation, and so has another tag.
    const std::string tag = fmt::format("\"{:016x}{}\"", HashOf(*reply.body), gzip ? "-gz" : "");
    reply.fields.emplace_back("ETag", tag);
    if (Matches(request.Field("if-none-match"), tag)) {
      reply.status = 304;
      reply.body = std::make_shared<const std::string>();
      return;
    }
  }
  if (!gzip) return;
  reply.body = std::make_shared<const std::string>(Gzip(*reply.body));
  reply.fields.emplace_back("Content-Encoding", "gzip");
}

}  // namespace perf::service

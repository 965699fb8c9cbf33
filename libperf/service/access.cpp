// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/access.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"

namespace perf::service {
namespace {

constexpr std::string_view kScheme = "bearer ";

/// Of a Host field: without port and brackets.
std::string_view HostOf(std::string_view field) noexcept {
  if (field.starts_with('[')) return field.substr(1, field.find(']') - 1);
  return field.substr(0, field.find(':'));
}

}  // namespace

std::string NameOf(const Peer& peer) {
  return peer.local ? fmt::format("uid:{}", peer.uid) : peer.address;
}

Access::Access() : Access(Limits{}) {}

Access::Access(Limits limits)
    : changes_(limits.change_interval, limits.change_burst),
      wrong_(limits.wrong_interval, limits.wrong_burst),
      tokens_(std::make_shared<const Tokens>()) {}

void Access::Use(std::shared_ptr<const Tokens> tokens) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(tokens);
}

Verdict Access::Judge(const Request& request, bool changes, TimePoint now) {
  if (request.peer.local) return {true, NameOf(request.peer)};
  if (request.peer.loopback && !changes && request.Field("authorization").empty()) {
    // IsLoopback takes an empty name for a unix socket.
    const std::string_view host = HostOf(request.Field("host"));
    if (!host.empty() && IsLoopback(host)) return {true, "loopback"};
    return {false, NameOf(request.peer), 421, "foreign_host",
            "over loopback the Host field must name it, such as 127.0.0.1"};
  }
  return JudgeToken(request, changes, now);
}

Verdict Access::JudgeToken(const Request& request, bool changes, TimePoint now) {
  std::shared_ptr<const Tokens> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = tokens_;
  }
  if (tokens->Empty()) {
    return Refuse(request, 403, "no_tokens",
                  "this needs a token, and the agent has none: start it with --token-file, or ask "
                  "over its unix socket",
                  now);
  }
  const std::string_view field = request.Field("authorization");
  if (field.empty()) {
    return Refuse(request, 401, "no_token", "this needs a bearer token", now);
  }
  const bool bearer =
      field.size() > kScheme.size() && EqualsIgnoreCase(field.substr(0, kScheme.size()), kScheme);
  const std::string_view name = tokens->NameOf(bearer ? Trim(field.substr(kScheme.size())) : "");
  if (name.empty()) return Refuse(request, 401, "wrong_token", "the token is not known", now);
  Verdict verdict{true, fmt::format("user:{}", name)};
  if (!changes) return verdict;
  const Duration wait = changes_.Take(name, now);
  if (wait == Duration::zero()) return verdict;
  return {false, std::move(verdict.who), 429, "too_many_changes", "too many changes", wait};
}

Verdict Access::Refuse(const Request& request, int status, std::string reason, std::string detail,
                       TimePoint now) {
  Verdict verdict{false, NameOf(request.peer), status, std::move(reason), std::move(detail)};
  const Duration wait = wrong_.Take(request.peer.address, now);
  if (wait > Duration::zero()) {
    verdict.status = 429;
    verdict.detail = "too many refused requests";
    verdict.retry_after = wait;
  }
  return verdict;
}

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/router.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/text.hpp"

namespace perf::service {
namespace {

constexpr std::string_view kRealm = "Bearer realm=\"perfkit\"";

WallTime Now() { return std::chrono::system_clock::now(); }

/// Of the labels: a closed set.
std::string_view MethodLabel(std::string_view method) noexcept {
  for (const std::string_view known : {"GET", "HEAD", "POST"}) {
    if (method == known) return known;
  }
  return "other";
}

Reply Refusal(const Verdict& verdict) {
  Reply reply = Problem(verdict.status, verdict.detail);
  if (verdict.status == 401) reply.fields.emplace_back("WWW-Authenticate", kRealm);
  if (verdict.status == 429) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(verdict.retry_after).count();
    reply.fields.emplace_back("Retry-After", fmt::format("{}", std::max<std::int64_t>(seconds, 1)));
  }
  return reply;
}

bool IsJson(std::string_view type) {
  return EqualsIgnoreCase(Trim(type.substr(0, type.find(';'))), "application/json");
}

}  // namespace

Router::Router(Access& access, AuditLog& audit, metrics::Registry& registry)
    : access_(access),
      audit_(audit),
      requests_(registry.Counters({.name = "perfkit_http_requests_total",
                                   .help = "Requests answered by the agent.",
                                   .labels = {"method", "route", "code"}})),
      durations_(registry.Histograms({.name = "perfkit_http_request_duration_seconds",
                                      .help = "Time the agent took to make its answers.",
                                      .unit = "seconds",
                                      .labels = {"route"}})) {}

void Router::Get(std::string path, Handler handler) {
  requests_.With({"GET", path, "200"});
  durations_.With({path});
  routes_[std::move(path)].get = std::move(handler);
}

void Router::Post(std::string path, Change change) {
  requests_.With({"POST", path, "200"});
  durations_.With({path});
  routes_[std::move(path)].post = std::move(change);
}

Reply Router::Handle(const Request& request) {
  const TimePoint start = Clock::now();
  const auto found = routes_.find(request.path);
  const Route* route = found == routes_.end() ? nullptr : &found->second;
  const std::string_view name = route == nullptr ? "other" : std::string_view(found->first);
  Reply reply;
  const auto count = [&] {
    requests_.With({MethodLabel(request.method), name, fmt::format("{}", reply.status)}).Add();
    durations_.With({name}).Observe(Clock::now() - start);
  };
  try {
    reply = Lead(request, route);
  } catch (...) {
    reply.status = 500;
    count();
    throw;
  }
  count();
  return reply;
}

Reply Router::Lead(const Request& request, const Route* route) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const Verdict verdict = access_.Judge(request, !reads, Clock::now());
  if (!verdict.allowed) {
    audit_.Refused(verdict.who, verdict.reason, Now());
    return Refusal(verdict);
  }
  if (route == nullptr) return Problem(404, "there is nothing at this path");
  if (reads && route->get) return route->get(request);
  if (request.method != "POST" || !route->post) {
    Reply reply = Problem(405, "this path has no such method");
    reply.fields.emplace_back("Allow", !route->post ? "GET, HEAD"
                                       : route->get ? "GET, HEAD, POST"
                                                    : "POST");
    return reply;
  }
  // A form of a foreign page in a browser can send other types without asking.
  if (!IsJson(request.Field("content-type"))) {
    return Problem(415, "the body has to be application/json");
  }
  return route->post(request, verdict.who);
}

void Router::Refused(const Peer& peer, const char* reason) {
  audit_.Refused(NameOf(peer), reason, Now());
}

}  // namespace perf::service

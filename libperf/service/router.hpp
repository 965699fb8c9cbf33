// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/service/access.hpp"
#include "libperf/service/audit.hpp"
#include "libperf/service/message.hpp"

namespace perf::service {

/// What leads a request to whoever answers it: access first, then path and method; counts all of it
/// (perfkit_http_requests_total, perfkit_http_request_duration_seconds) and tells the audit log
/// what was refused. Thread safety: Get and Post before the first Handle; Handle from any thread.
/// Lifetime: borrows access, audit and registry.
class PERF_EXPORT Router {
 public:
  using Handler = std::function<Reply(const Request&)>;
  /// `who` is the caller as the audit log has it.
  using Change = std::function<Reply(const Request&, const std::string& who)>;

  Router(Access& access, AuditLog& audit, metrics::Registry& registry);
  /// Also answers HEAD.
  void Get(std::string path, Handler handler);
  /// A change of state: it is free to nobody over TCP, and its body is JSON.
  void Post(std::string path, Change change);
  Reply Handle(const Request& request);
  /// What the front refused by itself.
  void Refused(const Peer& peer, const char* reason);

 private:
  struct Route {
    Handler get;
    Change post;
  };
  struct Counted;
  Reply Lead(const Request& request, const Route* route);

  Access& access_;
  AuditLog& audit_;
  std::map<std::string, Route, std::less<>> routes_;
  metrics::Family<metrics::Counter>& requests_;
  metrics::Family<metrics::LogHistogram>& durations_;
};

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/service/message.hpp"
#include "libperf/service/rate_limit.hpp"
#include "libperf/service/tokens.hpp"

namespace perf::service {

/// What a request may do, and as whom.
struct Verdict {
  bool allowed = false;
  std::string who{};       // "uid:1000", "user:NAME", "loopback"; of a refusal the peer
  int status = 0;          // of a refusal: 401, 403, 421 or 429
  std::string reason{};    // a word for audit and metrics: no_token, wrong_token …
  std::string detail{};    // for the caller
  Duration retry_after{};  // of 429
};

/// Whoever can open the unix socket may do everything (its directory and mode decide who that is).
/// Over TCP, reading from loopback is free and without a limit, as long as the Host field names
/// loopback, too (so that a foreign page in a browser cannot read by a name that it points here);
/// everything else needs a bearer token, and is limited in rate.
/// Thread safety: all methods.
class PERF_EXPORT Access {
 public:
  struct Limits {
    Duration change_interval = std::chrono::milliseconds(100);  // of one token, once over burst
    unsigned change_burst = 20;
    Duration wrong_interval = std::chrono::seconds(1);  // of one peer's refusals
    unsigned wrong_burst = 10;
  };
  Access();
  explicit Access(Limits limits);

  /// From now on these are the tokens.
  void Use(std::shared_ptr<const Tokens> tokens);
  Verdict Judge(const Request& request, bool changes, TimePoint now);

 private:
  Verdict JudgeToken(const Request& request, bool changes, TimePoint now);
  Verdict Refuse(const Request& request, int status, std::string reason, std::string detail,
                 TimePoint now);

  RateLimit changes_;
  RateLimit wrong_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Tokens> tokens_;
};

/// "uid:1000", or the address.
PERF_EXPORT std::string NameOf(const Peer& peer);

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/cache/second_tier.hpp"

namespace perf::bench {

/// Where the second tiers of a verb are.
struct TierServerOptions {
  std::string url = "private";  // or a URL of Redis
  std::vector<std::string> allow_hosts;
};

/// A real Redis for the caches of one verb: a private one, or one that the user named, in which all
/// keys of this run have a prefix of their own.
/// Thread safety: const methods any, the others none. Lifetime: made before the process has other
/// threads, for a private server is a child of it.
class TierServer {
 public:
  /// Throws: ConfigError for a host that is not allowed; UnreachableError.
  explicit TierServer(const TierServerOptions& options);
  /// Removes the keys of this run from a server that stays.
  ~TierServer();
  TierServer(const TierServer&) = delete;
  TierServer& operator=(const TierServer&) = delete;

  const std::string& Url() const noexcept { return url_; }
  bool IsPrivate() const noexcept { return private_; }
  /// As PrivateServers::Act, of a private server.
  void Act(backends::ServerAction action, Deadline deadline);
  /// The tier of the cache `name`, on another way to the server where `url` is not empty. Those
  /// of one name share their keys, also from other processes that were forked from this one.
  std::shared_ptr<cache::SecondTier> Tier(const std::string& name,
                                          const std::string& url = {}) const;

 private:
  pid_t owner_;
  backends::PrivateServers servers_;
  std::string name_, url_, prefix_;
  bool private_ = false;
};

/// Whether the tier is reachable and tells of changes, waiting for it until the deadline.
bool AwaitCoherent(const cache::SecondTier& tier, Deadline deadline);

}  // namespace perf::bench

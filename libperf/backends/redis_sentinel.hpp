// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/redis_session.hpp"

namespace perf::backends {

/// Whom a Sentinel names.
struct SentinelAnswer {
  StreamAddress primary;
  std::vector<StreamAddress> replicas;  // those that it holds for well; only where asked for
  std::string from;                     // "host:port" of the Sentinel
};

/// Asks several Sentinels in turn, the one that answered last first, each within a bounded time:
/// one that hangs must not cost the whole deadline.
/// Thread safety: none. Lifetime: borrows the loop; outlives its tasks.
class SentinelClient {
 public:
  /// Throws: ConfigError.
  SentinelClient(EventLoop& loop, const RedisConfig& config);

  /// A connection to a Sentinel that lasts, for those who ask often.
  struct Link {
    std::unique_ptr<RedisSession> session;
    std::size_t sentinel = 0;
  };
  /// `failure` (kConnect) says why no Sentinel could name a primary.
  Task<void> Ask(Link& link, bool replicas, SentinelAnswer& answer, Failure& failure,
                 Deadline deadline);

 private:
  Task<void> AskOne(Link& link, bool replicas, SentinelAnswer& answer, Failure& failure,
                    Deadline deadline);
  Task<void> AskReplicas(RedisSession& session, SentinelAnswer& answer, Failure& failure,
                         Deadline deadline);

  EventLoop& loop_;
  std::string master_name_;
  std::vector<RedisDoorway> sentinels_;
  std::size_t first_ = 0;  // answered last
};

}  // namespace perf::backends

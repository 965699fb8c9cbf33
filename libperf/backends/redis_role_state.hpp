// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/backends/redis_role.hpp"
#include "libperf/backends/redis_sentinel.hpp"
#include "libperf/backends/redis_session.hpp"

namespace perf::backends {

/// What a connector of kHosts or kSentinel and its watch share; both are parts of it.
/// Thread safety: none; belongs to its loop's thread. Lifetime: kept by the tasks that use it, so
/// that one which the end of a loop left suspended refers to nothing that is gone.
struct RedisRoleState {
  RedisRoleState(EventLoop& the_loop, RedisConfig the_config);

  /// Connects to the first server of the wanted role.
  Task<std::unique_ptr<RedisSession>> Dial(Failure& failure, Deadline deadline);
  /// Where the wanted server may be, best first.
  Task<void> Find(std::vector<StreamAddress>& found, Failure& failure, Deadline deadline);
  /// Connects to one and asks for its role; null with `failure` where it is not the `wanted` one.
  Task<std::unique_ptr<RedisSession>> Try(const StreamAddress& address, RedisRole wanted,
                                          const std::shared_ptr<RedisGenerations>& members_of,
                                          Failure& failure, Deadline deadline);
  void Settle(const StreamAddress& address, std::uint64_t generation);
  /// Whether `current` is of this generation.
  bool IsCurrent() const noexcept;
  /// All connections of now lead to the wrong server.
  void Retire(std::string why);
  /// Another server has begun to say that it is the primary, though the Sentinels do not name it
  /// yet: what is written to theirs now is lost when they do. Until then nobody dials.
  bool IsContested(const StreamAddress& primary, TimePoint now) const;

  EventLoop& loop;
  const RedisConfig config;
  const RedisLogin login;
  std::optional<SentinelClient> sentinels;  // kSentinel
  const std::shared_ptr<RedisGenerations> generations = std::make_shared<RedisGenerations>(loop);
  std::optional<StreamAddress> current;  // where the last dial led, and of which generation
  std::uint64_t current_generation = 0;
  std::size_t turn = 0;  // of hosts or replicas: who is tried first

  // Of the watch:
  std::unique_ptr<RedisSession> monitor;  // beyond the pool's connections
  std::string monitored;                  // where it leads
  bool mute = false;                      // `current` did not answer when last asked
  SentinelClient::Link link;
  struct Replica {
    StreamAddress address;
    std::unique_ptr<RedisSession> session;
    TimePoint named{};  // last
  };
  std::vector<Replica> replicas;  // kSentinel, primary wanted: one of them may become it
  TimePoint replicas_asked{};
  std::string usurper;  // the one that did
  TimePoint usurped_at{};
  std::uint64_t watched_generation = 0;
  std::string why_retired;
  std::string primary;  // whom the Sentinels named when it was last seen to move
  bool checking = false;
};

/// One look at where the wanted server is now. Lifetime: keeps `state`.
Task<void> CheckRole(std::shared_ptr<RedisRoleState> state);

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/redis_role_state.hpp"
#include "libperf/backends/redis_session.hpp"
#include "libperf/backends/redis_slots.hpp"

namespace perf::backends {

/// Which servers take the writes of what one URL names: the one, the primary, or all masters.
/// Thread safety: none; belongs to its loop's thread. Lifetime: held by shared_ptr; its tasks keep
/// it.
class RedisTrackingNodes : public std::enable_shared_from_this<RedisTrackingNodes> {
 public:
  /// Throws: ConfigError.
  RedisTrackingNodes(EventLoop& loop, RedisConfig config);

  struct Node {
    std::string name;  // "host:port"
    RedisDoorway doorway;
  };
  /// Looks for them, one at a time; after a failure the last ones stay. Lifetime: `failure`
  /// outlives the task.
  Task<void> Find(Failure& failure, Deadline deadline);
  const std::vector<Node>& Found() const noexcept { return nodes_; }
  /// Who has a key; requires: something was found.
  const Node& OwnerOf(std::string_view key) const noexcept;
  /// Whether what was found has to be looked at again and again.
  bool Moves() const noexcept { return config_.layout != RedisLayout::kSingle; }
  bool IsCluster() const noexcept { return config_.layout == RedisLayout::kCluster; }
  /// One look at whether the primary is still the one that was found.
  Task<void> Look();
  /// `listener` is called on a turn of its own when it is not.
  void OnMoved(std::function<void()> listener);

 private:
  Task<void> FindPrimary(Failure& failure, Deadline deadline);
  Task<void> FindMasters(Failure& failure, Deadline deadline);
  Task<bool> AskSlots(const RedisDoorway& doorway, Failure& failure, Deadline deadline);
  RedisDoorway DoorwayTo(const RedisHost& host) const;
  void Adopt(const RedisSlotMap& map);

  EventLoop& loop_;
  const RedisConfig config_;
  const RedisLogin login_;
  std::shared_ptr<RedisRoleState> role_;  // kHosts and kSentinel
  std::vector<Node> nodes_;
  std::array<std::uint16_t, kRedisSlots> owner_{};  // index into nodes_
  std::size_t turn_ = 0;
};

}  // namespace perf::backends

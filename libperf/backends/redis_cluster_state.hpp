// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/redis_session.hpp"
#include "libperf/backends/redis_slots.hpp"
#include "libperf/base/random.hpp"

namespace perf::backends {

/// The nodes of a Redis Cluster as one connector knows them: who has which slots, and a pool of
/// connections for each.
/// Thread safety: none; belongs to its loop's thread. Lifetime: kept by those who use it; as pools,
/// destroyed after EventLoop::Live() reached 0.
class RedisClusterState : public std::enable_shared_from_this<RedisClusterState> {
 public:
  /// Throws: ConfigError.
  RedisClusterState(EventLoop& loop, RedisConfig config);

  static constexpr std::size_t kNoNode = 0xFFFF;
  /// kNoNode: nobody is known to have the slot.
  std::size_t OwnerOf(std::uint16_t slot) const noexcept { return owner_[slot]; }
  /// Another one at each call.
  std::size_t AnyNode() noexcept;
  const std::vector<std::size_t>& Masters() const noexcept { return masters_; }
  /// The node with that address, which may be new; kNoNode where there are too many.
  std::size_t NodeAt(const RedisHost& host);
  /// What a MOVED says; gives the node.
  std::size_t Learn(const RedisRedirect& redirect, std::size_t from);
  /// Where a redirect leads that `from` sent.
  std::size_t Target(const RedisRedirect& redirect, std::size_t from);
  ConnectionPool& Pool(std::size_t node) noexcept { return *nodes_[node]->pool; }

  /// Waits until one node after the other was asked for the slots, which happens once for all who
  /// wait. `failure` (kConnect): no node had an answer, or none by the deadline.
  Task<void> Refresh(Failure& failure, Deadline deadline);
  /// The same without waiting, and not more often than twice a second.
  void RefreshSoon();
  bool Known() const noexcept { return known_; }
  EventLoop& Loop() noexcept { return loop_; }
  Random& Chance() noexcept { return random_; }

 private:
  struct Node {
    RedisHost host;
    RedisDoorway doorway;
    std::string refused;  // why it may not be dialled
    std::unique_ptr<ConnectionPool> pool;
  };
  static Task<void> RunRefresh(std::shared_ptr<RedisClusterState> state);
  void StartRefresh();
  Task<Dialled<Connection>> DialNode(Node& node, Deadline deadline);
  Task<void> AskNodes(Failure& failure, Deadline deadline);
  Task<void> AskNode(const RedisDoorway& doorway, Failure& failure, Deadline deadline);
  std::vector<RedisDoorway> Candidates() const;
  RedisDoorway DoorwayTo(const RedisHost& host) const;
  void Adopt(const RedisSlotMap& map);

  EventLoop& loop_;
  const RedisConfig config_;
  const RedisLogin login_;
  std::vector<std::unique_ptr<Node>> nodes_;  // all that were ever named
  std::vector<std::size_t> masters_;          // of the last answer
  std::array<std::uint16_t, kRedisSlots> owner_{};
  std::size_t turn_ = 0;
  bool known_ = false;  // the last refresh had an answer
  bool refreshing_ = false;
  TimePoint refreshed_{};  // when the last one ended
  Failure refresh_failure_;
  Random random_;
};

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
// A Redis Cluster behind the interface of one connection.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/backends/redis_cluster_state.hpp"

namespace perf::backends {
namespace {

constexpr unsigned kMostRedirects = 5;
// 2 ms, doubled up to a quarter of a second: 3 s in all.
constexpr unsigned kMostPauses = 18;
constexpr Duration kFirstPause = std::chrono::milliseconds(2);
constexpr Duration kLongestPause = std::chrono::milliseconds(256);

/// What a borrower of the target's pool gets: a permit for one command at a time. The sockets are
/// those of the nodes' pools.
class ClusterConnection final : public RedisConnection {
 public:
  explicit ClusterConnection(std::shared_ptr<RedisClusterState> state) : state_(std::move(state)) {}
  Task<void> Execute(const RedisCommand& command, RedisReply& reply, Deadline deadline) override;
  bool Reusable() const noexcept override { return usable_; }
  bool Alive() noexcept override { return usable_; }

 private:
  /// One command on its way to the node that carries it out.
  struct Journey {
    const RedisRoute route;
    const Deadline deadline;
    std::size_t node = RedisClusterState::kNoNode;
    bool asking = false;
    unsigned redirects = 0;
    unsigned pauses = 0;
    TimePoint sent{};  // first
  };
  Task<void> ToOne(const RedisCommand& command, RedisReply& reply, Journey& journey);
  Task<void> ToAll(const RedisCommand& command, RedisReply& reply, Deadline deadline);
  Task<void> SendTo(std::size_t node, bool asking, const RedisCommand& command, RedisReply& reply,
                    Deadline deadline);
  Task<bool> FollowOrWait(RedisReply& reply, Journey& journey);
  bool Follow(const RedisRedirect& redirect, Journey& journey);
  Task<bool> Pause(Journey& journey);
  std::size_t NodeFor(const RedisRoute& route) noexcept;

  std::shared_ptr<RedisClusterState> state_;
  bool usable_ = true;
};

void Refuse(RedisReply& reply, ErrorKind kind, std::string text) {
  reply.failure = {kind, std::move(text)};
  reply.timing.sent = reply.timing.first_byte = reply.timing.done = Clock::now();
}

/// ASKING holds for one command only.
Task<void> ExecuteAsking(RedisConnection& connection, const RedisCommand& command,
                         RedisReply& reply, Deadline deadline) {
  RedisCommand asking;
  RedisCommand one = command;
  asking.words = {"ASKING"};
  one.pipeline = 1;
  for (unsigned left = command.pipeline; left > 0; --left) {
    co_await connection.Execute(asking, reply, deadline);
    if (reply.failure) co_return;
    co_await connection.Execute(one, reply, deadline);
    if (!reply.failure) continue;
    if (reply.redirected > 0) reply.redirected = left;
    co_return;
  }
}

std::size_t ClusterConnection::NodeFor(const RedisRoute& route) noexcept {
  return route.kind == RedisRoute::Kind::kSlot ? state_->OwnerOf(route.slot) : state_->AnyNode();
}

Task<void> ClusterConnection::Execute(const RedisCommand& command, RedisReply& reply,
                                      Deadline deadline) {
  reply.Clear();
  Journey journey{RouteOf(command.words), deadline};
  if (journey.route.kind == RedisRoute::Kind::kRefused) {
    Refuse(reply, ErrorKind::kStatus,
           fmt::format("{} is not supported with a cluster", command.words[0]));
  } else if (journey.route.kind == RedisRoute::Kind::kAll) {
    co_await ToAll(command, reply, deadline);
  } else {
    co_await ToOne(command, reply, journey);
    if (journey.sent != TimePoint{}) reply.timing.sent = journey.sent;
  }
}

Task<void> ClusterConnection::ToOne(const RedisCommand& command, RedisReply& reply,
                                    Journey& journey) {
  journey.node = NodeFor(journey.route);
  co_await SendTo(journey.node, false, command, reply, journey.deadline);
  if (!reply.failure) co_return;
  RedisCommand rest = command;
  for (;;) {
    if (reply.redirected > 0) rest.pipeline = reply.redirected;
    const bool again = co_await FollowOrWait(reply, journey);
    if (!again) co_return;
    co_await SendTo(journey.node, journey.asking, rest, reply, journey.deadline);
    if (!reply.failure) co_return;
  }
}

Task<void> ClusterConnection::ToAll(const RedisCommand& command, RedisReply& reply,
                                    Deadline deadline) {
  const std::vector<std::size_t> masters = state_->Masters();
  TimePoint sent{};
  for (const std::size_t node : masters) {
    co_await SendTo(node, false, command, reply, deadline);
    if (sent == TimePoint{}) sent = reply.timing.sent;
    if (reply.failure) break;
  }
  if (sent != TimePoint{}) reply.timing.sent = sent;
  if (masters.empty()) Refuse(reply, ErrorKind::kConnect, "no node of the cluster is known");
}

Task<void> ClusterConnection::SendTo(std::size_t node, bool asking, const RedisCommand& command,
                                     RedisReply& reply, Deadline deadline) {
  reply.Clear();
  if (node == RedisClusterState::kNoNode) {
    Refuse(reply, ErrorKind::kConnect, "no node of the cluster is known to have the key's slot");
    co_return;
  }
  ConnectionPool& pool = state_->Pool(node);
  ConnectionPool::Acquired acquired = co_await pool.Borrow(Clock::now(), deadline);
  if (acquired.failure) {
    Refuse(reply, acquired.failure.kind, std::move(acquired.failure.text));
    co_return;
  }
  RedisConnection& connection = acquired.loan.As<RedisConnection>();
  if (asking) {
    co_await ExecuteAsking(connection, command, reply, deadline);
  } else {
    co_await connection.Execute(command, reply, deadline);
  }
}

bool ClusterConnection::Follow(const RedisRedirect& redirect, Journey& journey) {
  if (++journey.redirects > kMostRedirects) return false;
  const std::size_t from = journey.node;
  journey.asking = redirect.ask;
  journey.node = redirect.ask ? state_->Target(redirect, from) : state_->Learn(redirect, from);
  if (!redirect.ask) state_->RefreshSoon();
  return true;
}

/// After a failure: whether to go on, and then where to.
Task<bool> ClusterConnection::FollowOrWait(RedisReply& reply, Journey& journey) {
  if (journey.sent == TimePoint{}) journey.sent = reply.timing.sent;
  const Failure& failure = reply.failure;
  const bool unsent = failure.kind == ErrorKind::kConnect;
  if (reply.redirected == 0 && !unsent) {
    // A lost connection may mean that another node has taken over.
    if (failure.kind == ErrorKind::kProtocol) state_->RefreshSoon();
    co_return false;
  }
  if (const auto redirect = ParseRedirect(failure.text); redirect && !unsent) {
    if (!Follow(*redirect, journey)) co_return false;
    // Nodes that send it to and fro have not yet heard of one another's news.
    if (journey.redirects > 2) co_await state_->Loop().SleepUntil(Clock::now() + kFirstPause);
    co_return !state_->Loop().Cancelled();
  }
  const bool wait = failure.text.starts_with("TRYAGAIN") || failure.text.starts_with("CLUSTERDOWN");
  if (!unsent && !wait) co_return false;  // another error came before the redirect
  if (!failure.text.starts_with("TRYAGAIN")) {
    const std::size_t before = journey.node;
    Failure refresh;
    co_await state_->Refresh(refresh, journey.deadline);
    if (refresh) {
      // The next dial finds out when the cluster is back.
      if (!state_->Known()) usable_ = false;
      reply.failure = std::move(refresh);
      co_return false;
    }
    journey.node = NodeFor(journey.route);
    journey.asking = false;
    if (unsent && journey.node != before && ++journey.redirects <= kMostRedirects) co_return true;
  }
  co_return co_await Pause(journey);
}

Task<bool> ClusterConnection::Pause(Journey& journey) {
  if (++journey.pauses > kMostPauses) co_return false;
  const Duration full =
      std::min(kLongestPause, kFirstPause * (1 << std::min(journey.pauses - 1, 10U)));
  const auto part =
      std::chrono::duration_cast<Duration>(full * (0.5 + state_->Chance().Unit() / 2));
  const TimePoint until = Clock::now() + part;
  if (journey.deadline.Passed(until)) co_return false;
  EventLoop& loop = state_->Loop();
  co_await loop.SleepUntil(until);
  journey.node = NodeFor(journey.route);
  journey.asking = false;
  co_return !loop.Cancelled();
}

class ClusterConnector final : public RedisConnector {
 public:
  ClusterConnector(EventLoop& loop, RedisConfig config)
      : state_(std::make_shared<RedisClusterState>(loop, std::move(config))) {}

  Task<Dialled<RedisConnection>> Dial(Deadline deadline) override {
    Dialled<RedisConnection> dialled;
    if (!state_->Known()) co_await state_->Refresh(dialled.failure, deadline);
    if (!dialled.failure) dialled.connection = std::make_unique<ClusterConnection>(state_);
    co_return dialled;
  }
  // Permits are never stale; each node's pool hears it for itself.
  void OnStale(std::function<void()>) override {}

 private:
  std::shared_ptr<RedisClusterState> state_;
};

}  // namespace

std::unique_ptr<RedisConnector> MakeRedisClusterConnector(EventLoop& loop, RedisConfig config) {
  return std::make_unique<ClusterConnector>(loop, std::move(config));
}

}  // namespace perf::backends

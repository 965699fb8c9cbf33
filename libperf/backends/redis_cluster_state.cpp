// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_cluster_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr Duration kOneNode = std::chrono::milliseconds(500);
constexpr Duration kRefreshPause = std::chrono::milliseconds(500);
constexpr Duration kLook = std::chrono::milliseconds(1);
constexpr std::size_t kMostNodes = 2'000;
constexpr std::size_t kMostAsked = 16;

bool Same(const RedisHost& a, const RedisHost& b) noexcept {
  return a.port == b.port && a.host == b.host;
}

}  // namespace

RedisClusterState::RedisClusterState(EventLoop& loop, RedisConfig config)
    : loop_(loop),
      config_(std::move(config)),
      login_(LoginOf(config_)),
      random_(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count())) {
  if (config_.hosts.empty()) throw ConfigError("no node of the cluster is named");
  owner_.fill(RedisSlotMap::kNobody);
}

RedisDoorway RedisClusterState::DoorwayTo(const RedisHost& host) const {
  RedisDoorway doorway;
  doorway.address.host = doorway.server_name = host.host;
  doorway.address.port = host.port;
  doorway.login = login_;
  return doorway;
}

std::size_t RedisClusterState::AnyNode() noexcept {
  return masters_.empty() ? kNoNode : masters_[turn_++ % masters_.size()];
}

std::size_t RedisClusterState::NodeAt(const RedisHost& host) {
  const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                  [&](const auto& node) { return Same(node->host, host); });
  if (found != nodes_.end()) return static_cast<std::size_t>(found - nodes_.begin());
  if (nodes_.size() == kMostNodes) return kNoNode;
  Node& node = *nodes_.emplace_back(std::make_unique<Node>());
  node.host = host;
  node.doorway = DoorwayTo(host);
  node.doorway.generations = std::make_shared<RedisGenerations>(loop_);
  if (config_.may_dial && !config_.may_dial(host.host)) {
    node.refused = fmt::format(
        "the cluster's node {} is not this machine: it needs `allow: [{}]` in the scenario or "
        "--allow-host",
        Describe(node.doorway.address), host.host);
  }
  ConnectionPool::Options options;
  options.name = fmt::format("node {}", Describe(node.doorway.address));
  options.limits.max = options.limits.max_dials = config_.node_connections;
  options.acquire_timeout = options.connect_timeout = config_.connect_timeout;
  options.seed = random_.Next();
  node.pool = std::make_unique<ConnectionPool>(
      loop_, std::move(options),
      [this, &node](Deadline deadline) { return DialNode(node, deadline); });
  node.doorway.generations->OnRetire([&node] { node.pool->Invalidate(); });
  return nodes_.size() - 1;
}

Task<Dialled<Connection>> RedisClusterState::DialNode(Node& node, Deadline deadline) {
  Dialled<Connection> dialled;
  if (!node.refused.empty()) {
    dialled.failure = {ErrorKind::kConnect, node.refused};
    co_return dialled;
  }
  dialled.connection = co_await DialRedis(loop_, node.doorway, dialled.failure, deadline);
  co_return dialled;
}

std::size_t RedisClusterState::Target(const RedisRedirect& redirect, std::size_t from) {
  RedisHost to = redirect.to;
  if (to.host.empty()) to.host = nodes_[from]->host.host;
  return NodeAt(to);
}

std::size_t RedisClusterState::Learn(const RedisRedirect& redirect, std::size_t from) {
  const std::size_t node = Target(redirect, from);
  if (node != kNoNode) owner_[redirect.slot] = static_cast<std::uint16_t>(node);
  return node;
}

void RedisClusterState::Adopt(const RedisSlotMap& map) {
  std::vector<std::size_t> masters;
  for (const RedisHost& host : map.masters) masters.push_back(NodeAt(host));
  for (std::size_t slot = 0; slot < kRedisSlots; ++slot) {
    const std::uint16_t index = map.owner[slot];
    owner_[slot] =
        static_cast<std::uint16_t>(index == RedisSlotMap::kNobody ? kNoNode : masters[index]);
  }
  std::erase(masters, kNoNode);
  for (const std::size_t gone : masters_) {
    if (std::find(masters.begin(), masters.end(), gone) == masters.end()) {
      nodes_[gone]->pool->CloseIdle();
    }
  }
  masters_ = std::move(masters);
}

/// The masters known so far, another first each time, then the nodes of the URL.
std::vector<RedisDoorway> RedisClusterState::Candidates() const {
  std::vector<RedisHost> hosts;
  for (std::size_t i = 0; i < masters_.size(); ++i) {
    hosts.push_back(nodes_[masters_[(turn_ + i) % masters_.size()]]->host);
  }
  for (const RedisHost& host : config_.hosts) {
    const auto same = [&](const RedisHost& other) { return Same(host, other); };
    if (std::none_of(hosts.begin(), hosts.end(), same)) hosts.push_back(host);
  }
  if (hosts.size() > kMostAsked) hosts.resize(kMostAsked);
  std::vector<RedisDoorway> doorways;
  for (const RedisHost& host : hosts) doorways.push_back(DoorwayTo(host));
  return doorways;
}

Task<void> RedisClusterState::AskNode(const RedisDoorway& doorway, Failure& failure,
                                      Deadline deadline) {
  failure.Clear();
  if (config_.may_dial && !config_.may_dial(doorway.address.host)) {
    failure = {ErrorKind::kConnect,
               fmt::format("{} may not be dialled", Describe(doorway.address))};
    co_return;
  }
  const std::unique_ptr<RedisSession> session =
      co_await DialRedis(loop_, doorway, failure, deadline);
  if (!session) co_return;
  RedisCommand command;
  RedisReply reply;
  command.keep_reply = true;
  command.words = {"CLUSTER", "SLOTS"};
  co_await session->Execute(command, reply, deadline);
  std::string why = reply.failure.text;
  if (!reply.failure) {
    const auto map = RedisSlotMap::Parse(reply.value, doorway.address.host);
    if (map) {
      Adopt(*map);
      co_return;
    }
    why = "it knows of no node that has slots";
  }
  failure = {ErrorKind::kConnect, fmt::format("{}: {}", Describe(doorway.address), why)};
}

Task<void> RedisClusterState::AskNodes(Failure& failure, Deadline deadline) {
  const std::vector<RedisDoorway> doorways = Candidates();
  std::string why;
  for (const RedisDoorway& doorway : doorways) {
    const TimePoint now = Clock::now();
    if (deadline.Passed(now) || loop_.Cancelled()) break;
    const Deadline part = Sooner(deadline, Deadline::After(now, kOneNode));
    co_await AskNode(doorway, failure, part);
    if (!failure) co_return;
    why += (why.empty() ? "" : "; ") + failure.text;
  }
  failure = {ErrorKind::kConnect,
             Excerpt("no node of the cluster tells its slots: " +
                         (why.empty() ? std::string("there was no time left") : why),
                     500)};
}

Task<void> RedisClusterState::RunRefresh(std::shared_ptr<RedisClusterState> state) {
  RedisClusterState& self = *state;
  ++self.turn_;
  Failure failure;
  const Deadline deadline = Deadline::After(Clock::now(), self.config_.connect_timeout);
  co_await self.AskNodes(failure, deadline);
  self.known_ = !failure;
  self.refresh_failure_ = std::move(failure);
  self.refreshed_ = Clock::now();
  self.refreshing_ = false;
}

void RedisClusterState::StartRefresh() {
  refreshing_ = true;
  loop_.Spawn(RunRefresh(shared_from_this()));
}

/// The one who waits has a deadline of its own, and must not spoil the answer for the others.
Task<void> RedisClusterState::Refresh(Failure& failure, Deadline deadline) {
  if (!refreshing_) StartRefresh();
  while (refreshing_) {
    const TimePoint now = Clock::now();
    if (deadline.Passed(now) || loop_.Cancelled()) {
      failure = {ErrorKind::kConnect, "no node of the cluster told its slots in time"};
      co_return;
    }
    co_await loop_.SleepUntil(std::min(deadline.At(), now + kLook));
  }
  failure = refresh_failure_;
}

void RedisClusterState::RefreshSoon() {
  if (refreshing_ || loop_.Cancelled() || Clock::now() < refreshed_ + kRefreshPause) return;
  StartRefresh();
}

}  // namespace perf::backends

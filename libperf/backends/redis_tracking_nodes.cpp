// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tracking_nodes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr Duration kOneNode = std::chrono::milliseconds(250);
constexpr std::size_t kMostAsked = 16;

}  // namespace

RedisTrackingNodes::RedisTrackingNodes(EventLoop& loop, RedisConfig config)
    : loop_(loop), config_(std::move(config)), login_(LoginOf(config_)) {
  if (config_.layout == RedisLayout::kSingle) {
    RedisDoorway doorway = SingleDoorway(config_);
    std::string name = Describe(doorway.address);
    nodes_.push_back({std::move(name), std::move(doorway)});
  } else if (config_.layout != RedisLayout::kCluster) {
    role_ = std::make_shared<RedisRoleState>(loop, config_);
  }
}

const RedisTrackingNodes::Node& RedisTrackingNodes::OwnerOf(std::string_view key) const noexcept {
  return nodes_.size() == 1 ? nodes_[0] : nodes_[owner_[SlotOfKey(key)]];
}

RedisDoorway RedisTrackingNodes::DoorwayTo(const RedisHost& host) const {
  RedisDoorway doorway;
  doorway.address.host = doorway.server_name = host.host;
  doorway.address.port = host.port;
  doorway.login = login_;
  return doorway;
}

Task<void> RedisTrackingNodes::Find(Failure& failure, Deadline deadline) {
  const auto keep = shared_from_this();
  failure.Clear();
  if (role_) co_await FindPrimary(failure, deadline);
  if (IsCluster()) co_await FindMasters(failure, deadline);
}

Task<void> RedisTrackingNodes::FindPrimary(Failure& failure, Deadline deadline) {
  const std::shared_ptr<RedisRoleState> role = role_;
  const std::unique_ptr<RedisSession> session = co_await role->Dial(failure, deadline);
  if (!session) co_return;
  failure.Clear();
  if (!role->IsCurrent()) {
    failure = {ErrorKind::kConnect, "the primary moved meanwhile"};
    co_return;
  }
  Node node;
  node.doorway.address = *role->current;
  node.doorway.server_name = node.doorway.address.host;
  node.doorway.login = login_;
  node.name = Describe(node.doorway.address);
  nodes_.clear();
  nodes_.push_back(std::move(node));
}

/// The masters known so far, another first each time, then those of the URL.
Task<void> RedisTrackingNodes::FindMasters(Failure& failure, Deadline deadline) {
  std::vector<RedisDoorway> doorways;
  ++turn_;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    doorways.push_back(nodes_[(turn_ + i) % nodes_.size()].doorway);
  }
  for (const RedisHost& host : config_.hosts) doorways.push_back(DoorwayTo(host));
  if (doorways.size() > kMostAsked) doorways.resize(kMostAsked);
  std::string why;
  for (const RedisDoorway& doorway : doorways) {
    const TimePoint now = Clock::now();
    if (deadline.Passed(now) || loop_.Cancelled()) break;
    const Deadline part = Sooner(deadline, Deadline::After(now, kOneNode));
    const bool known = co_await AskSlots(doorway, failure, part);
    if (known) co_return;
    why += (why.empty() ? "" : "; ") + failure.text;
  }
  failure = {ErrorKind::kConnect,
             Excerpt("no node of the cluster tells its slots: " +
                         (why.empty() ? std::string("there was no time left") : why),
                     500)};
}

Task<bool> RedisTrackingNodes::AskSlots(const RedisDoorway& doorway, Failure& failure,
                                        Deadline deadline) {
  failure.Clear();
  if (config_.may_dial && !config_.may_dial(doorway.address.host)) {
    failure = {ErrorKind::kConnect,
               fmt::format("{} may not be dialled", Describe(doorway.address))};
    co_return false;
  }
  const std::unique_ptr<RedisSession> session =
      co_await DialRedis(loop_, doorway, failure, deadline);
  if (!session) co_return false;
  RedisCommand command;
  RedisReply reply;
  command.keep_reply = true;
  command.words = {"CLUSTER", "SLOTS"};
  co_await session->Execute(command, reply, deadline);
  failure = std::move(reply.failure);
  if (failure) co_return false;
  const auto map = RedisSlotMap::Parse(reply.value, doorway.address.host);
  if (map) {
    Adopt(*map);
    co_return true;
  }
  failure = {ErrorKind::kConnect,
             fmt::format("{} knows of no node that has slots", Describe(doorway.address))};
  co_return false;
}

void RedisTrackingNodes::Adopt(const RedisSlotMap& map) {
  nodes_.clear();
  for (const RedisHost& host : map.masters) {
    RedisDoorway doorway = DoorwayTo(host);
    std::string name = Describe(doorway.address);
    nodes_.push_back({std::move(name), std::move(doorway)});
  }
  for (std::size_t slot = 0; slot < kRedisSlots; ++slot) {
    const std::uint16_t index = map.owner[slot];
    owner_[slot] = index < nodes_.size() ? index : std::uint16_t{0};
  }
}

Task<void> RedisTrackingNodes::Look() {
  const std::shared_ptr<RedisRoleState> role = role_;
  if (role && !role->checking) co_await CheckRole(role);
}

void RedisTrackingNodes::OnMoved(std::function<void()> listener) {
  if (role_) role_->generations->OnRetire(std::move(listener));
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
// The look that a connector of several Redis servers takes at them while it has connections.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/backends/redis_role_state.hpp"

namespace perf::backends {
namespace {

// Of one question: a server that hangs must not delay the news that another one took over.
constexpr Duration kPatience = std::chrono::milliseconds(100);
constexpr Duration kReplicasAgain = std::chrono::seconds(1);
constexpr Duration kForgotten = std::chrono::seconds(5);
constexpr std::size_t kMostReplicas = 8;

Deadline Patience() { return Deadline::After(Clock::now(), kPatience); }

/// Asks a server for its role on a connection that lasts.
Task<void> AskLastingly(RedisRoleState& state, const StreamAddress& address,
                        std::unique_ptr<RedisSession>& session, RoleAnswer& role) {
  role = RoleAnswer();
  const Deadline deadline = Patience();
  if (session && session->Alive()) {
    co_await AskRole(*session, role, deadline);
    if (role.kind != RoleAnswer::Kind::kSilent) co_return;
  }
  // What hung up may only have been closed: only a new connection tells.
  session.reset();
  if (deadline.Passed(Clock::now())) co_return;
  RedisDoorway doorway;
  doorway.address = address;
  doorway.server_name = address.host;
  doorway.login = state.login;
  Failure failure;
  session = co_await DialRedis(state.loop, doorway, failure, deadline);
  if (session) {
    co_await AskRole(*session, role, deadline);
  } else {
    role.text = std::move(failure.text);
  }
}

Task<void> AskCurrent(RedisRoleState& state, RoleAnswer& role) {
  const StreamAddress address = *state.current;
  if (state.monitored != Describe(address)) state.monitor.reset();
  state.monitored = Describe(address);
  // Not in its place while it is used: Retire drops what is there.
  std::unique_ptr<RedisSession> monitor = std::move(state.monitor);
  co_await AskLastingly(state, address, monitor, role);
  if (state.IsCurrent()) state.monitor = std::move(monitor);
  state.mute = role.kind == RoleAnswer::Kind::kSilent && state.IsCurrent();
}

/// Whom the Sentinels hold for a replica that is well, looked up each second.
Task<void> LearnReplicas(RedisRoleState& state) {
  const TimePoint now = Clock::now();
  if (now < state.replicas_asked + kReplicasAgain) co_return;
  SentinelAnswer answer;
  Failure failure;
  const Deadline deadline = Deadline::After(now, 2 * kPatience);
  co_await state.sentinels->Ask(state.link, true, answer, failure, deadline);
  if (failure) co_return;
  state.replicas_asked = now;
  for (StreamAddress& address : answer.replicas) {
    auto known = std::find_if(state.replicas.begin(), state.replicas.end(),
                              [&](const RedisRoleState::Replica& replica) {
                                return Describe(replica.address) == Describe(address);
                              });
    if (known == state.replicas.end()) {
      if (state.replicas.size() == kMostReplicas) continue;
      known = state.replicas.insert(known, RedisRoleState::Replica{std::move(address), {}, {}});
    }
    known->named = now;
  }
  // The one that is being promoted drops its clients, and a Sentinel then holds it for lost.
  std::erase_if(state.replicas, [&](const RedisRoleState::Replica& replica) {
    return now > replica.named + kForgotten;
  });
}

/// Whether a replica has begun to be a primary: Sentinels promote it first, and name it up to a
/// second later.
Task<bool> IsUsurped(RedisRoleState& state) {
  if (state.config.role != RedisRole::kPrimary) co_return false;
  co_await LearnReplicas(state);
  bool usurped = false;
  for (RedisRoleState::Replica& replica : state.replicas) {
    if (!state.IsCurrent()) break;
    const std::string name = Describe(replica.address);
    if (name == Describe(*state.current)) continue;
    if (state.config.may_dial && !state.config.may_dial(replica.address.host)) continue;
    RoleAnswer role;
    co_await AskLastingly(state, replica.address, replica.session, role);
    if (role.kind == RoleAnswer::Kind::kReplica && name == state.usurper) state.usurper.clear();
    if (role.kind != RoleAnswer::Kind::kPrimary || name == state.usurper) continue;
    state.usurper = name;
    state.usurped_at = Clock::now();
    usurped = true;
  }
  co_return usurped&& state.IsCurrent();
}

/// Where the Sentinels see the primary now: true when it moved, and the new one agrees.
Task<bool> HasMoved(RedisRoleState& state) {
  SentinelAnswer answer;
  Failure failure;
  const Deadline deadline = Deadline::After(Clock::now(), 2 * kPatience);
  co_await state.sentinels->Ask(state.link, false, answer, failure, deadline);
  if (failure) co_return false;
  const std::string now = Describe(answer.primary);
  if (state.config.role == RedisRole::kAny || !state.IsCurrent()) co_return false;
  // Replicas go as well when the primary moves: one of them has become it.
  const bool ours = state.config.role == RedisRole::kPrimary;
  if (now == (ours ? Describe(*state.current) : state.primary)) co_return false;
  const std::shared_ptr<RedisGenerations> none;
  const std::unique_ptr<RedisSession> session =
      co_await state.Try(answer.primary, RedisRole::kPrimary, none, failure, deadline);
  if (session) state.primary = now;
  co_return session != nullptr;
}

/// Without Sentinels: whether another server has the wanted role.
Task<bool> IsElsewhere(RedisRoleState& state) {
  const std::shared_ptr<RedisGenerations> none;
  const std::string ours = Describe(*state.current);
  for (std::size_t i = 0; i < state.config.hosts.size(); ++i) {
    StreamAddress address;
    address.host = state.config.hosts[i].host;
    address.port = state.config.hosts[i].port;
    if (Describe(address) == ours) continue;
    Failure failure;
    const Deadline deadline = Patience();
    const std::unique_ptr<RedisSession> session =
        co_await state.Try(address, state.config.role, none, failure, deadline);
    if (session) co_return true;
    if (!state.IsCurrent()) co_return false;
  }
  co_return false;
}

Task<void> Look(RedisRoleState& state) {
  if (!state.IsCurrent()) co_return;
  const std::string ours = Describe(*state.current);
  if (state.sentinels) {
    const bool moved = co_await HasMoved(state);
    if (!state.IsCurrent()) co_return;
    if (moved) {
      state.Retire(fmt::format("the primary moved to {}", state.primary));
      co_return;
    }
    const bool usurped = co_await IsUsurped(state);
    if (!state.IsCurrent()) co_return;
    if (usurped) {
      state.Retire(fmt::format("{} has become the primary", state.usurper));
      co_return;
    }
  }
  RoleAnswer role;
  co_await AskCurrent(state, role);
  if (!state.IsCurrent()) co_return;
  if (role.kind != RoleAnswer::Kind::kSilent) {
    if (!role.Fits(state.config.role)) {
      state.Retire(fmt::format("{} is not {} any more", ours, Text(state.config.role)));
    }
    co_return;
  }
  if (state.sentinels) co_return;  // they decide
  const bool elsewhere = co_await IsElsewhere(state);
  if (elsewhere && state.IsCurrent()) {
    state.Retire(
        fmt::format("{} does not answer, and another server is {}", ours, Text(state.config.role)));
  }
}

}  // namespace

Task<void> CheckRole(std::shared_ptr<RedisRoleState> state) {
  state->checking = true;
  co_await Look(*state);
  state->checking = false;
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
// The look that a connector of several Redis servers takes at them while it has connections.
#include <fmt/format.h>

#include <utility>

#include "libperf/backends/redis_role_state.hpp"

namespace perf::backends {
namespace {

// Of one question: a server that hangs must not delay the news that another one took over.
constexpr Duration kPatience = std::chrono::milliseconds(250);

Deadline Patience() { return Deadline::After(Clock::now(), kPatience); }

/// Asks the current server for its role on a connection that lasts.
Task<void> AskCurrent(RedisRoleState& state, RoleAnswer& role) {
  role = RoleAnswer();
  const StreamAddress address = *state.current;
  const Deadline deadline = Patience();
  if (state.monitor && state.monitored == Describe(address) && state.monitor->Alive()) {
    co_await AskRole(*state.monitor, role, deadline);
    if (role.kind != RoleAnswer::Kind::kSilent) co_return;
  }
  // What hung up may only have been closed: only a new connection tells.
  state.monitor.reset();
  if (deadline.Passed(Clock::now())) co_return;
  RedisDoorway doorway;
  doorway.address = address;
  doorway.server_name = address.host;
  doorway.login = state.login;
  Failure failure;
  state.monitored = Describe(address);
  state.monitor = co_await DialRedis(state.loop, doorway, failure, deadline);
  if (state.monitor) {
    co_await AskRole(*state.monitor, role, deadline);
  } else {
    role.text = std::move(failure.text);
  }
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

// SPDX-License-Identifier: Apache-2.0
// Several Redis servers of which one role is wanted, with Sentinels or without.
#include <utility>

#include "libperf/backends/redis_role_state.hpp"

namespace perf::backends {
namespace {

constexpr Duration kWatchPeriod = std::chrono::milliseconds(250);

class RoleConnector final : public RedisConnector {
 public:
  RoleConnector(EventLoop& loop, RedisConfig config)
      : loop_(loop),
        state_(std::make_shared<RedisRoleState>(loop, std::move(config))),
        alarm_(loop, [this] { Watch(); }) {}

  Task<Dialled<RedisConnection>> Dial(Deadline deadline) override {
    const std::shared_ptr<RedisRoleState> state = state_;
    Dialled<RedisConnection> dialled;
    dialled.connection = co_await state->Dial(dialled.failure, deadline);
    if (dialled.connection) {
      dialled.failure.Clear();
      if (!alarm_.Armed() && !loop_.Cancelled()) Arm();
    }
    co_return dialled;
  }

  void OnStale(std::function<void()> listener) override {
    state_->generations->OnRetire(std::move(listener));
  }

 private:
  void Arm() { alarm_.Arm(Deadline::After(Clock::now(), kWatchPeriod)); }

  void Watch() {
    if (loop_.Cancelled()) return;
    RedisRoleState& state = *state_;
    if (state.generations->Empty()) {
      if (state.checking) return Arm();
      state.monitor.reset();
      state.replicas.clear();
      state.replicas_asked = {};
      state.link.session.reset();
      return;
    }
    // What is still under way a whole period after its server was given up goes as well: that
    // server may hang for ever.
    state.generations->AbandonBefore(state.watched_generation, state.why_retired);
    state.watched_generation = state.generations->Now();
    if (!state.checking) loop_.Spawn(CheckRole(state_));
    Arm();
  }

  EventLoop& loop_;
  std::shared_ptr<RedisRoleState> state_;
  Alarm alarm_;
};

}  // namespace

std::unique_ptr<RedisConnector> MakeRedisRoleConnector(EventLoop& loop, RedisConfig config) {
  return std::make_unique<RoleConnector>(loop, std::move(config));
}

}  // namespace perf::backends

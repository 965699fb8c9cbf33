// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tier.hpp"

#include <chrono>
#include <future>
#include <utility>

#include "libperf/backends/redis_tier_state.hpp"
#include "libperf/pool/breaker.hpp"

namespace perf::backends {
namespace {

RedisTierHubOptions HubOptions(std::string_view url) {
  RedisTierHubOptions options;
  options.config = ParseRedisUrl(url);
  return options;
}

std::shared_ptr<RedisTracking> MakeTracking(RedisTierState& state) {
  RedisTrackingOptions options = state.options.tracking;
  options.prefixes = state.names.Tracked();
  options.no_loop = state.options.own_writes_out;
  const std::weak_ptr<RedisTierState> weak = state.weak_from_this();
  RedisTracking::Events events;
  events.on_names = [weak](std::vector<std::string> names) {
    if (const auto self = weak.lock()) self->OnNames(std::move(names));
  };
  events.on_everything = [weak] {
    if (const auto self = weak.lock()) {
      self->Tell([](cache::TierListener& to) { to.OnEverything(); });
    }
  };
  events.on_state = [weak] {
    if (const auto self = weak.lock()) {
      self->Tell([](cache::TierListener& to) { to.OnState(); });
    }
  };
  return std::make_shared<RedisTracking>(state.hub.Loop(), state.hub.Config(), std::move(options),
                                         std::move(events));
}

}  // namespace

std::string_view Name(RedisTierStats::Request request) noexcept {
  constexpr std::array<std::string_view, RedisTierStats::kRequests> kNames{
      "get", "set", "remove", "remove_prefix", "read_tags", "bump_tags", "try_lock", "renew"};
  return kNames[request];
}

RedisTier::RedisTier(std::string_view url, RedisTierOptions options)
    : RedisTier(std::make_shared<RedisTierHub>(HubOptions(url)), std::move(options)) {}

RedisTier::RedisTier(std::shared_ptr<RedisTierHub> hub, RedisTierOptions options)
    : hub_(std::move(hub)), state_(std::make_shared<RedisTierState>(*hub_, std::move(options))) {
  if (state_->options.coherence) state_->tracking = MakeTracking(*state_);
  hub_->Loop().Post([state = state_] { state->Open(); });
}

RedisTier::~RedisTier() {
  SetListener(nullptr);
  // In turn: after all that was begun before.
  OnLoop([this] { state_->Close(); });
  if (hub_.use_count() > 1) {  // else the hub ends what is under way
    std::unique_lock lock(state_->mutex);
    state_->idle.wait(lock, [this] { return state_->under_way.load() == 0; });
  }
  // It has connections of its own, which end on their loop's thread.
  OnLoop([this] { state_.reset(); });
}

/// Runs it on the loop's thread, and waits.
void RedisTier::OnLoop(const std::function<void()>& run) {
  const auto ran = std::make_shared<std::promise<void>>();
  std::future<void> done = ran->get_future();
  hub_->Loop().Post([&run, ran] {
    run();
    ran->set_value();
  });
  done.wait();
}

void RedisTier::Begin(std::function<Task<void>()> task) {
  state_->under_way.fetch_add(1);
  const auto run = [](std::shared_ptr<RedisTierState> state,
                      std::function<Task<void>()> body) -> Task<void> {
    co_await body();
    if (state->under_way.fetch_sub(1) != 1) co_return;
    const std::lock_guard lock(state->mutex);
    state->idle.notify_all();
  };
  hub_->Start([run, state = state_, task = std::move(task)]() mutable {
    return run(std::move(state), std::move(task));
  });
}

void RedisTier::Get(std::string key, Deadline deadline, Done<cache::TierValue> done) {
  Begin([state = state_, key = std::move(key), deadline, done = std::move(done)]() mutable {
    return TierGet(state, std::move(key), deadline, std::move(done));
  });
}

void RedisTier::Set(std::string key, std::string bytes, Duration ttl, cache::SetCondition condition,
                    Deadline deadline, Done<cache::TierWritten> done) {
  TierSetRequest request{std::move(key), std::move(bytes), ttl, condition};
  Begin([state = state_, request = std::move(request), deadline, done = std::move(done)]() mutable {
    return TierSet(state, std::move(request), deadline, std::move(done));
  });
}

void RedisTier::Remove(std::vector<std::string> keys, Deadline deadline,
                       Done<cache::TierStatus> done) {
  Begin([state = state_, keys = std::move(keys), deadline, done = std::move(done)]() mutable {
    return TierRemove(state, std::move(keys), deadline, std::move(done));
  });
}

void RedisTier::RemovePrefix(std::string prefix, Deadline deadline, Done<cache::TierStatus> done) {
  Begin([state = state_, prefix = std::move(prefix), deadline, done = std::move(done)]() mutable {
    return TierRemovePrefix(state, std::move(prefix), deadline, std::move(done));
  });
}

void RedisTier::ReadTags(std::vector<cache::TagQuery> tags, Deadline deadline,
                         Done<cache::TierTags> done) {
  Begin([state = state_, tags = std::move(tags), deadline, done = std::move(done)]() mutable {
    return TierTagsOf(state, std::move(tags), false, deadline, std::move(done));
  });
}

void RedisTier::BumpTags(std::vector<cache::TagQuery> tags, Deadline deadline,
                         Done<cache::TierTags> done) {
  Begin([state = state_, tags = std::move(tags), deadline, done = std::move(done)]() mutable {
    return TierTagsOf(state, std::move(tags), true, deadline, std::move(done));
  });
}

void RedisTier::TryLock(std::string key, Duration ttl, Deadline deadline,
                        Done<cache::TierLock> done) {
  Begin([state = state_, key = std::move(key), ttl, deadline, done = std::move(done)]() mutable {
    return TierTryLock(state, std::move(key), ttl, deadline, std::move(done));
  });
}

void RedisTier::Renew(std::string key, std::uint64_t fence, Duration ttl, Deadline deadline,
                      Done<cache::TierStatus> done) {
  Begin([state = state_, key = std::move(key), fence, ttl, deadline,
         done = std::move(done)]() mutable {
    return TierRenew(state, std::move(key), fence, ttl, deadline, std::move(done));
  });
}

void RedisTier::Unlock(std::string key, std::uint64_t fence) {
  Begin([state = state_, key = std::move(key), fence]() mutable {
    return TierUnlock(state, std::move(key), std::to_string(fence));
  });
}

bool RedisTier::Reachable() const noexcept { return hub_->Admits(); }

bool RedisTier::Coherent() const noexcept { return Clock::now() < CoherentUntil(); }

TimePoint RedisTier::CoherentUntil() const noexcept {
  return state_->tracking ? state_->tracking->CoherentUntil() : TimePoint::min();
}

void RedisTier::SetListener(cache::TierListener* listener) {
  state_->SetListener(listener);
  if (listener == nullptr) return;
  // What changed between its look at us and now, it was not told.
  hub_->Loop().Post([weak = std::weak_ptr<RedisTierState>(state_)] {
    if (const auto self = weak.lock()) {
      self->Tell([](cache::TierListener& to) { to.OnState(); });
    }
  });
}

RedisTierStats RedisTier::Stats() const {
  RedisTierStats stats;
  for (std::size_t request = 0; request < stats.requests.size(); ++request) {
    for (std::size_t status = 0; status < stats.requests[request].size(); ++status) {
      stats.requests[request][status] =
          state_->requests[request][status].load(std::memory_order_relaxed);
    }
  }
  stats.keys_told = state_->keys_told.load(std::memory_order_relaxed);
  stats.tags_told = state_->tags_told.load(std::memory_order_relaxed);
  stats.own_writes = state_->own_writes.load(std::memory_order_relaxed);
  if (state_->tracking) stats.tracking = state_->tracking->Stats();
  stats.hub = hub_->Stats();
  return stats;
}

Json RedisTier::ToJson() const {
  const RedisTierStats stats = Stats();
  Json json = Json::MakeObject();
  json["reachable"] = Reachable();
  json["coherent"] = Coherent();
  Json& breaker = json["breaker"];
  breaker["state"] = pool::Name(stats.hub.breaker.state);
  breaker["opened"] = stats.hub.breaker.opened;
  if (!stats.hub.breaker.why_open.empty()) breaker["why"] = stats.hub.breaker.why_open;
  Json& tracking = json["tracking"];
  tracking["servers"] = stats.tracking.servers;
  tracking["opened"] = stats.tracking.opened;
  tracking["lost"] = stats.tracking.lost;
  tracking["refused"] = stats.tracking.refused;
  tracking["messages"] = stats.tracking.messages;
  tracking["everything"] = stats.tracking.everything;
  tracking["keys_told"] = stats.keys_told;
  tracking["tags_told"] = stats.tags_told;
  tracking["own_writes"] = stats.own_writes;
  if (!stats.tracking.last_loss.empty()) tracking["last_loss"] = stats.tracking.last_loss;
  Json& requests = json["requests"];
  for (int request = 0; request < RedisTierStats::kRequests; ++request) {
    Json& one = requests[Name(static_cast<RedisTierStats::Request>(request))];
    for (int status = 0; status < RedisTierStats::kStatuses; ++status) {
      one[cache::Name(static_cast<cache::TierStatus>(status))] =
          stats.requests[static_cast<std::size_t>(request)][static_cast<std::size_t>(status)];
    }
  }
  return json;
}

}  // namespace perf::backends

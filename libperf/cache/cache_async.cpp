// SPDX-License-Identifier: Apache-2.0
// The asynchronous face of a cache.
#include <memory>
#include <utility>

#include "libperf/cache/async_face.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/cache/cache_state.hpp"
#include "libperf/cache/cache_times.hpp"

namespace perf::cache {
namespace {

using AnswerCall = AsyncCall<Answer>;
using WriteCall = AsyncCall<Written>;

/// The loader on the caller's executor; what it throws is how it failed.
std::function<void(LoadDone)> OnExecutor(AsyncLoader loader, Executor* executor) {
  auto run = [loader = std::move(loader)](const LoadDone& done) {
    try {
      loader(done);
    } catch (...) {
      done.Fail(std::current_exception());
    }
  };
  if (executor == nullptr) return run;
  return [run = std::move(run), executor](LoadDone done) {
    executor->Post([run, done = std::move(done)] { run(done); });
  };
}

std::optional<Answer> Fly(CacheState& state, const std::string& key, std::uint64_t hash,
                          Rider rider, const std::shared_ptr<AnswerCall>& call, Deadline deadline) {
  rider.id = state.Its().rider_ids.fetch_add(1) + 1;
  const std::uint64_t id = rider.id;
  rider.done = [call, times = state.Its().options.times, began = Clock::now()](Answer answer) {
    if (times) times->get.Observe(Clock::now() - began);
    call->Finish(std::move(answer));
  };
  CacheState::Boarded boarded = state.Board(key, hash, std::move(rider));
  if (boarded.answer) return std::move(boarded.answer);
  if (boarded.began) boarded.flight->Start();
  return call->Return(deadline, [flight = boarded.flight, id, call, gate = state.Its().gate] {
    const Gate::Pass pass = gate->Enter();
    if (pass && flight->Leave(id)) call->Finish(flight->AtDeadline());
  });
}

/// The call of a write: ended by the tier, or without it at the soft timeout.
template <typename Start>
void Write(CacheState& state, Deadline deadline, Executor* executor, Cache::WriteDone done,
           const Start& start) {
  const auto call = std::make_shared<WriteCall>(state.Its().upkeep, executor, done);
  const auto memory = std::make_shared<std::atomic<bool>>(false);
  memory->store(
      start([call, memory](Written::Tier tier) { call->Finish({memory->load(), tier}); }));
  const Deadline soft =
      Sooner(deadline, Deadline::After(Clock::now(), state.Its().options.tier.soft_timeout));
  std::optional<Written> ended = call->Return(
      soft, [call, memory] { call->Finish({memory->load(), Written::Tier::kPending}); });
  if (!ended || !done) return;
  // Never inside the call.
  ended->memory = memory->load();
  Executor& where = executor != nullptr ? *executor : *state.Its().upkeep;
  where.Post([done = std::move(done), written = *ended] { done(written); });
}

}  // namespace

std::optional<Answer> Cache::GetAsync(std::string_view key, Deadline deadline, Executor* executor,
                                      Done done) {
  const std::uint64_t hash = HashKey(key);
  CacheState::Look look = state_->LookUp(key, hash, Defaults(), false);
  if (look.answered || !state_->Its().tier) return std::move(look.answer);
  Rider rider;
  rider.options = state_->OptionsOr(nullptr);
  const auto call = std::make_shared<AnswerCall>(state_->Its().upkeep, executor, std::move(done));
  return Fly(*state_, std::string(key), hash, std::move(rider), call, deadline);
}

std::optional<Answer> Cache::GetOrSetAsync(std::string_view key, AsyncLoader loader,
                                           Deadline deadline, Executor* executor, Done done,
                                           const EntryOptions* options) {
  const std::uint64_t hash = HashKey(key);
  CacheState::Look look =
      state_->LookUp(key, hash, options != nullptr ? *options : Defaults(), true);
  if (look.answered) {
    if (look.refresh) {
      state_->Refresh(std::string(key), hash, OnExecutor(std::move(loader), executor),
                      state_->OptionsOr(options));
    }
    return std::move(look.answer);
  }
  Rider rider;
  rider.background = OnExecutor(std::move(loader), executor);
  rider.load = [load = rider.background](LoadDone ended, const std::function<void()>&) {
    load(std::move(ended));
  };
  rider.options = state_->OptionsOr(options);
  const auto call = std::make_shared<AnswerCall>(state_->Its().upkeep, executor, std::move(done));
  return Fly(*state_, std::string(key), hash, std::move(rider), call, deadline);
}

void Cache::SetAsync(std::string_view key, std::string bytes, Deadline deadline, Executor* executor,
                     WriteDone done, const EntryOptions* options) {
  Write(*state_, deadline, executor, std::move(done), [&](CacheState::TierDone tier) {
    return state_->Set(std::string(key), std::move(bytes),
                       options != nullptr ? *options : Defaults(), std::move(tier));
  });
}

void Cache::RemoveAsync(std::string_view key, Deadline deadline, Executor* executor,
                        WriteDone done) {
  Write(*state_, deadline, executor, std::move(done), [&](CacheState::TierDone tier) {
    state_->Remove(std::string(key), std::move(tier));
    return true;
  });
}

void Cache::InvalidateTagAsync(std::string_view tag, Deadline deadline, Executor* executor,
                               WriteDone done) {
  Write(*state_, deadline, executor, std::move(done), [&](CacheState::TierDone tier) {
    state_->InvalidateTag(std::string(tag), std::move(tier));
    return true;
  });
}

}  // namespace perf::cache

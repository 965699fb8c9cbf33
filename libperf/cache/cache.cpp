// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/cache/blocking_face.hpp"
#include "libperf/cache/cache_state.hpp"
#include "libperf/cache/cache_times.hpp"
#include "libperf/cache/snapshot.hpp"

namespace perf::cache {
namespace {

/// Records how long the slow way took.
class Stopwatch {
 public:
  Stopwatch(const std::shared_ptr<CacheTimes>& times, metrics::LogHistogram CacheTimes::* which)
      : times_(times.get()), which_(which) {
    if (times_ != nullptr) began_ = Clock::now();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    if (times_ != nullptr) (times_->*which_).Observe(Clock::now() - began_);
  }

 private:
  CacheTimes* times_;
  metrics::LogHistogram CacheTimes::* which_;
  TimePoint began_;
};

/// The tier's part of a write, for a thread that waits for it.
struct TierWait {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Written::Tier> end;

  CacheState::TierDone Done(const std::shared_ptr<TierWait>& self) {
    return [self](Written::Tier tier) {
      {
        const std::lock_guard lock(self->mutex);
        self->end = tier;
      }
      self->changed.notify_one();
    };
  }
};

Written::Tier Await(TierWait& wait, Deadline deadline) {
  std::unique_lock lock(wait.mutex);
  ParkUntil(wait.changed, lock, deadline, [&wait] { return wait.end.has_value(); });
  return wait.end.value_or(Written::Tier::kPending);
}

Deadline Soft(const CacheOptions& options, Deadline deadline) {
  return Sooner(deadline, Deadline::After(Clock::now(), options.tier.soft_timeout));
}

}  // namespace

Cache::Cache(CacheOptions options, std::shared_ptr<SecondTier> tier)
    : state_(std::make_unique<CacheState>(std::move(options), std::move(tier))) {}

Cache::~Cache() = default;

const CacheOptions& Cache::Options() const noexcept { return state_->Its().options; }

CacheStats Cache::Stats() const { return state_->Stats(); }

Answer Cache::Peek(std::string_view key) {
  return state_->LookUp(key, HashKey(key), Defaults(), false).answer;
}

Answer Cache::Get(std::string_view key, Deadline deadline) {
  const std::uint64_t hash = HashKey(key);
  CacheState::Look look = state_->LookUp(key, hash, Defaults(), false);
  if (look.answered || !state_->Its().tier) return std::move(look.answer);
  const Stopwatch watch(Options().times, &CacheTimes::get);
  const auto parked = std::make_shared<ParkedRider>();
  CacheState::Boarded boarded =
      state_->Board(std::string(key), hash,
                    parked->MakeRider(state_->Its().rider_ids.fetch_add(1) + 1, false, nullptr,
                                      state_->OptionsOr(nullptr)));
  if (boarded.answer) return std::move(*boarded.answer);
  if (boarded.began) boarded.flight->Start();
  return parked->Ride(*boarded.flight, nullptr, deadline);
}

Answer Cache::GetOrSet(std::string_view key, const Loader& loader, Deadline deadline,
                       const EntryOptions* options) {
  const std::uint64_t hash = HashKey(key);
  CacheState::Look look =
      state_->LookUp(key, hash, options != nullptr ? *options : Defaults(), true);
  if (look.answered) {
    if (look.refresh) {
      state_->Refresh(std::string(key), hash, state_->InBackground(loader),
                      state_->OptionsOr(options));
    }
    return std::move(look.answer);
  }
  const Stopwatch watch(Options().times, &CacheTimes::get);
  const auto parked = std::make_shared<ParkedRider>();
  CacheState::Boarded boarded =
      state_->Board(std::string(key), hash,
                    parked->MakeRider(state_->Its().rider_ids.fetch_add(1) + 1, true,
                                      state_->InBackground(loader), state_->OptionsOr(options)));
  if (boarded.answer) return std::move(*boarded.answer);
  if (boarded.began) boarded.flight->Start();
  return parked->Ride(*boarded.flight, &loader, deadline);
}

Written Cache::Set(std::string_view key, std::string bytes, Deadline deadline,
                   const EntryOptions* options) {
  const Stopwatch watch(Options().times, &CacheTimes::set);
  const auto wait = std::make_shared<TierWait>();
  Written written;
  written.memory = state_->Set(std::string(key), std::move(bytes),
                               options != nullptr ? *options : Defaults(), wait->Done(wait));
  written.tier = Await(*wait, Soft(Options(), deadline));
  return written;
}

Written Cache::Remove(std::string_view key, Deadline deadline) {
  const Stopwatch watch(Options().times, &CacheTimes::remove);
  const auto wait = std::make_shared<TierWait>();
  state_->Remove(std::string(key), wait->Done(wait));
  return {true, Await(*wait, Soft(Options(), deadline))};
}

Written Cache::InvalidateTag(std::string_view tag, Deadline deadline) {
  const Stopwatch watch(Options().times, &CacheTimes::remove);
  const auto wait = std::make_shared<TierWait>();
  state_->InvalidateTag(std::string(tag), wait->Done(wait));
  return {true, Await(*wait, Soft(Options(), deadline))};
}

Written Cache::RemovePrefix(std::string_view prefix, Deadline deadline) {
  const Stopwatch watch(Options().times, &CacheTimes::remove);
  const auto wait = std::make_shared<TierWait>();
  state_->RemovePrefix(std::string(prefix), wait->Done(wait));
  return {true, Await(*wait, deadline)};
}

Written Cache::Clear(Deadline deadline) {
  const Stopwatch watch(Options().times, &CacheTimes::remove);
  const auto wait = std::make_shared<TierWait>();
  state_->Clear(wait->Done(wait));
  return {true, Await(*wait, Soft(Options(), deadline))};
}

void Cache::RegisterWarmFunction(std::string pattern, WarmFunction function) {
  if (pattern.empty()) throw ConfigError("the pattern of a warm function is empty");
  if (!function) throw ConfigError("the warm function of '" + pattern + "' is empty");
  state_->Register(std::move(pattern), std::move(function));
}

std::uint64_t Cache::EvictExpired() { return state_->Its().memory.Expire(Clock::now()); }

std::size_t Cache::SaveSnapshot(const std::string& path) const {
  return WriteSnapshot(state_->Its(), path);
}

std::size_t Cache::LoadSnapshot(const std::string& path) {
  return ReadSnapshot(state_->Its(), path);
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/timed_tier.hpp"

#include <utility>

namespace perf::cache {

std::string_view Name(TierOperation operation) noexcept {
  switch (operation) {
    case TierOperation::kGet: return "get";
    case TierOperation::kSet: return "set";
    case TierOperation::kDelete: return "delete";
    case TierOperation::kTags: return "tags";
    case TierOperation::kLock: return "lock";
  }
  return "get";
}

TimedTier::TimedTier(std::shared_ptr<SecondTier> tier)
    : tier_(std::move(tier)), times_(std::make_shared<TierTimes>()) {}

TimedTier::~TimedTier() = default;

template <typename T>
SecondTier::Done<T> TimedTier::Timed(TierOperation operation, Done<T> done) {
  return [times = times_, operation, start = Clock::now(), done = std::move(done)](T answer) {
    times->Of(operation).Observe(Clock::now() - start);
    done(std::move(answer));
  };
}

void TimedTier::Get(std::string key, Deadline deadline, Done<TierValue> done) {
  tier_->Get(std::move(key), deadline, Timed(TierOperation::kGet, std::move(done)));
}

void TimedTier::Set(std::string key, std::string bytes, Duration ttl, SetCondition condition,
                    Deadline deadline, Done<TierWritten> done) {
  tier_->Set(std::move(key), std::move(bytes), ttl, condition, deadline,
             Timed(TierOperation::kSet, std::move(done)));
}

void TimedTier::Remove(std::vector<std::string> keys, Deadline deadline, Done<TierStatus> done) {
  tier_->Remove(std::move(keys), deadline, Timed(TierOperation::kDelete, std::move(done)));
}

void TimedTier::RemovePrefix(std::string prefix, Deadline deadline, Done<TierStatus> done) {
  tier_->RemovePrefix(std::move(prefix), deadline, Timed(TierOperation::kDelete, std::move(done)));
}

void TimedTier::ReadTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) {
  tier_->ReadTags(std::move(tags), deadline, Timed(TierOperation::kTags, std::move(done)));
}

void TimedTier::BumpTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) {
  tier_->BumpTags(std::move(tags), deadline, Timed(TierOperation::kTags, std::move(done)));
}

void TimedTier::TryLock(std::string key, Duration ttl, Deadline deadline, Done<TierLock> done) {
  tier_->TryLock(std::move(key), ttl, deadline, Timed(TierOperation::kLock, std::move(done)));
}

void TimedTier::Renew(std::string key, std::uint64_t fence, Duration ttl, Deadline deadline,
                      Done<TierStatus> done) {
  tier_->Renew(std::move(key), fence, ttl, deadline, Timed(TierOperation::kLock, std::move(done)));
}

void TimedTier::Unlock(std::string key, std::uint64_t fence) {
  tier_->Unlock(std::move(key), fence);
}

bool TimedTier::Reachable() const noexcept { return tier_->Reachable(); }

bool TimedTier::Coherent() const noexcept { return tier_->Coherent(); }

TimePoint TimedTier::CoherentUntil() const noexcept { return tier_->CoherentUntil(); }

void TimedTier::AddMetrics(const std::string& cache, metrics::Collection& collection) const {
  tier_->AddMetrics(cache, collection);
}

void TimedTier::SetListener(TierListener* listener) { tier_->SetListener(listener); }

}  // namespace perf::cache

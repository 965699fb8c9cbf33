// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive.hpp"

namespace perf::cache {

Adaptive::Adaptive(Limits limits, std::uint64_t seed, std::shared_ptr<AdaptiveGroup> group)
    : PolicyOf(limits),
      queues_(budget_, kAdaptiveRules[kAdaptiveFirst]),
      group_(group ? std::move(group) : std::make_shared<AdaptiveGroup>(limits, 1, seed)) {}

std::size_t Adaptive::MetadataBytes() const noexcept {
  return queues_.Bytes() + budget_.Bytes() + group_->Bytes();
}

void Adaptive::Learn(std::uint32_t hash, std::uint64_t weight, bool hit, bool full) {
  if (group_->Sampled(hash)) group_->Learn(hash, weight, hit, full ? &budget_.Used() : nullptr);
  Follow();
}

void Adaptive::Follow() noexcept {
  const std::size_t best = group_->Followed();
  if (best == followed_) return;
  followed_ = best;
  queues_.Follow(kAdaptiveRules[best]);
}

void Adaptive::OnHit(Slot slot) noexcept {
  if (!queues_.Holds(slot)) return;
  const std::uint64_t weight = budget_.WeightOf(slot);
  // While an update runs the weight is lifted; the new one is learned in Rewrite.
  if (budget_.Bounds().weight == 0 || weight != 0) Learn(queues_.HashOf(slot), weight, true);
  queues_.Hit(slot);
}

void Adaptive::Rewrite(Slot slot, const Arrival& arrival) {
  if (budget_.Bounds().weight != 0) Learn(queues_.HashOf(slot), arrival.weight, true);
}

void Adaptive::Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
  const std::uint32_t hash = group_->Short(arrival.hash);
  queues_.Expect(hash);
  const bool full = !budget_.Fits(arrival.weight);
  // Where weights are bounded only a full cache knows how many entries it holds.
  if (full) group_->Full(budget_.Used());
  Learn(hash, arrival.weight, false, full);
  std::size_t gone = evicted.size();
  queues_.Admit(slot, hash, arrival.weight, evicted);
  for (; gone < evicted.size(); ++gone) {
    if (evicted[gone] != slot) Depart(evicted[gone]);
  }
  if (group_->Sampled(hash) && queues_.Holds(slot)) group_->Came(hash, budget_.WeightOf(slot));
}

/// One that is held no longer; its hash and weight stand until its slot is used again.
void Adaptive::Depart(Slot slot) noexcept {
  const std::uint32_t hash = queues_.HashOf(slot);
  if (group_->Sampled(hash)) group_->Went(hash, budget_.WeightOf(slot));
}

void Adaptive::EvictOne(std::vector<Slot>& evicted) {
  queues_.EvictOne(evicted);
  Depart(evicted.back());
}

void Adaptive::Forget(Slot slot) noexcept {
  Depart(slot);
  const std::uint32_t hash = queues_.HashOf(slot);
  if (group_->Sampled(hash)) group_->Remove(hash);
  queues_.Forget(slot);
}

void Adaptive::Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept {
  queues_.Reweigh(slot, from, to);
  const std::uint32_t hash = queues_.HashOf(slot);
  if (group_->Sampled(hash)) group_->Reweighed(hash, from, to);
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive.hpp"

namespace perf::cache {

Adaptive::Adaptive(Limits limits, std::uint64_t seed)
    : PolicyOf(limits), salt_(MixId(seed)), queues_(budget_, kAdaptiveRules[kAdaptiveFirst]) {
  if (limits.entries != 0) Compete(limits.entries);
}

std::size_t Adaptive::MetadataBytes() const noexcept {
  return queues_.Bytes() + budget_.Bytes() + (contest_ ? contest_->Bytes() : 0);
}

void Adaptive::Compete(std::uint64_t entries) {
  contest_ = std::make_unique<AdaptiveContest>(
      budget_.Bounds(), std::max<std::uint64_t>(entries, 1), budget_.Used().entries == 0);
}

void Adaptive::Learn(std::uint32_t hash, std::uint64_t weight, bool hit) {
  if (!contest_) return;
  const std::size_t best = contest_->Learn(hash, weight, hit, followed_);
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
  const bool full = !budget_.Fits(arrival.weight);
  // Where weights are bounded only a full cache knows how many entries it holds.
  if (full && budget_.Bounds().weight != 0) {
    const std::uint64_t held = budget_.Used().entries;
    if (!contest_ || !contest_->Suits(held)) Compete(held);
  }
  if (full && contest_) contest_->Fit(budget_.Used());
  const std::uint32_t hash = Short(arrival.hash);
  Learn(hash, arrival.weight, false);
  std::size_t gone = evicted.size();
  queues_.Admit(slot, hash, arrival.weight, evicted);
  for (; gone < evicted.size(); ++gone) {
    if (evicted[gone] != slot) Depart(evicted[gone]);
  }
  if (contest_ && queues_.Holds(slot)) contest_->Came(hash, budget_.WeightOf(slot));
}

/// One that is held no longer; its hash and weight stand until its slot is used again.
void Adaptive::Depart(Slot slot) noexcept {
  if (contest_) contest_->Went(queues_.HashOf(slot), budget_.WeightOf(slot));
}

void Adaptive::EvictOne(std::vector<Slot>& evicted) {
  queues_.EvictOne(evicted);
  Depart(evicted.back());
}

void Adaptive::Forget(Slot slot) noexcept {
  Depart(slot);
  if (contest_) contest_->Remove(queues_.HashOf(slot));
  queues_.Forget(slot);
}

void Adaptive::Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept {
  queues_.Reweigh(slot, from, to);
  if (contest_) contest_->Reweighed(queues_.HashOf(slot), from, to);
}

}  // namespace perf::cache

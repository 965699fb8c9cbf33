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
  contest_ =
      std::make_unique<AdaptiveContest>(budget_.Bounds(), std::max<std::uint64_t>(entries, 1));
}

void Adaptive::Learn(std::uint32_t hash, std::uint64_t weight) {
  if (!contest_) return;
  const std::size_t best = contest_->Learn(hash, weight, followed_);
  if (best == followed_) return;
  followed_ = best;
  queues_.Follow(kAdaptiveRules[best]);
}

void Adaptive::OnHit(Slot slot) noexcept {
  if (!queues_.Holds(slot)) return;
  const std::uint64_t weight = budget_.WeightOf(slot);
  // While an update runs the weight is lifted; the new one is learned in Rewrite.
  if (budget_.Bounds().weight == 0 || weight != 0) Learn(queues_.HashOf(slot), weight);
  queues_.Hit(slot);
}

void Adaptive::Rewrite(Slot slot, const Arrival& arrival) {
  if (budget_.Bounds().weight != 0) Learn(queues_.HashOf(slot), arrival.weight);
}

void Adaptive::Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
  // Where weights are bounded only a full cache knows how many entries it holds.
  if (budget_.Bounds().weight != 0 && !budget_.Fits(arrival.weight)) {
    const std::uint64_t held = budget_.Used().entries;
    if (!contest_ || !contest_->Suits(held)) Compete(held);
  }
  const std::uint32_t hash = Short(arrival.hash);
  Learn(hash, arrival.weight);
  queues_.Admit(slot, hash, arrival.weight, evicted);
}

void Adaptive::Forget(Slot slot) noexcept {
  if (contest_) contest_->Remove(queues_.HashOf(slot));
  queues_.Forget(slot);
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/adaptive_group.hpp"
#include "libperf/cache/policy/adaptive_queues.hpp"
#include "libperf/cache/policy/policy_of.hpp"

namespace perf::cache {

/// Learns from the requests whether recency, reuse or counts pay: six rules (see kAdaptiveRules)
/// play against each other in shadows, on all keys of a cache of up to 1,024 entries and on a
/// sample that large of a larger one, and the cache follows the best of late. A change of the rule
/// moves nothing: entries go by the new rule from then on. Metadata: 16 bytes an entry (20
/// with weights; 4 more beyond a million entries), of which 4 are for ghosts, and up to 200 KB
/// for the shadows, which the parts of a cache share.
class Adaptive final : public PolicyOf<Adaptive> {
 public:
  /// The seed decides which keys are sampled; where there is a group, its seed does.
  Adaptive(Limits limits, std::uint64_t seed, std::shared_ptr<AdaptiveGroup> group = nullptr);

  std::string_view Name() const noexcept override { return "adaptive"; }
  std::size_t MetadataBytes() const noexcept override;
  void OnHit(Slot slot) noexcept override;
  /// Which of kAdaptiveRules is followed now.
  std::size_t Followed() const noexcept { return followed_; }

  Slot Next() const noexcept override { return queues_.Next(); }

  bool Holds(Slot slot) const noexcept { return queues_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted);
  void EvictOne(std::vector<Slot>& evicted);
  void Forget(Slot slot) noexcept;
  void Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept;
  void Rewrite(Slot slot, const Arrival& arrival);

 private:
  void Learn(std::uint32_t hash, std::uint64_t weight, bool hit, bool full = false);
  void Follow() noexcept;
  void Depart(Slot slot) noexcept;

  AdaptiveQueues queues_;
  std::shared_ptr<AdaptiveGroup> group_;
  std::size_t followed_ = kAdaptiveFirst;
};

}  // namespace perf::cache

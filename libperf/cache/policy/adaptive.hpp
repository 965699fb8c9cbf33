// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/adaptive_contest.hpp"
#include "libperf/cache/policy/policy_of.hpp"

namespace perf::cache {

/// Learns from the requests whether recency, reuse or counts pay: six rules (see kAdaptiveRules)
/// play against each other in shadows, on all keys of a cache of up to 1,024 entries and on a
/// sample that large of a larger one, and the cache follows the best of late. A change of the rule
/// moves nothing: entries go by the new rule from then on. Metadata: 25 bytes an entry (29 with
/// weights), of which 8 are for ghosts, and up to 300 KB for the shadows. Several small caches that
/// could be one learn slower and pay for the shadows each.
class Adaptive final : public PolicyOf<Adaptive> {
 public:
  /// The seed decides which keys are sampled.
  Adaptive(Limits limits, std::uint64_t seed);

  std::string_view Name() const noexcept override { return "adaptive"; }
  std::size_t MetadataBytes() const noexcept override;
  void OnHit(Slot slot) noexcept override;
  /// Which of kAdaptiveRules is followed now.
  std::size_t Followed() const noexcept { return followed_; }

  bool Holds(Slot slot) const noexcept { return queues_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted);
  void EvictOne(std::vector<Slot>& evicted);
  void Forget(Slot slot) noexcept;
  void Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept;
  void Rewrite(Slot slot, const Arrival& arrival);

 private:
  std::uint32_t Short(std::uint64_t hash) const noexcept {
    return static_cast<std::uint32_t>(((hash ^ salt_) * 0x9e3779b97f4a7c15ULL) >> 32);
  }
  void Learn(std::uint32_t hash, std::uint64_t weight, bool hit);
  void Compete(std::uint64_t entries);
  void Depart(Slot slot) noexcept;

  std::uint64_t salt_;
  AdaptiveQueues queues_;
  std::unique_ptr<AdaptiveContest> contest_;
  std::size_t followed_ = kAdaptiveFirst;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <unordered_map>

#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// What a segment holds.
struct Load {
  std::uint64_t entries = 0;
  std::uint64_t weight = 0;

  void Add(std::uint64_t w) noexcept { ++entries, weight += w; }
  void Drop(std::uint64_t w) noexcept { --entries, weight -= w; }
  /// Beyond a share of the capacity; a bound of 0 binds nothing.
  bool Over(const Limits& share) const noexcept {
    return (share.entries != 0 && entries > share.entries) ||
           (share.weight != 0 && weight > share.weight);
  }
};

/// The weight of each slot in 4 bytes; the few that need more stand aside.
class Weights {
 public:
  void Set(Slot slot, std::uint64_t weight) {
    if (slot >= small_.size()) small_.resize(slot + std::size_t{1});
    if (small_[slot] == kAside) large_.erase(slot);
    small_[slot] = weight < kAside ? static_cast<std::uint32_t>(weight) : kAside;
    if (weight >= kAside) large_[slot] = weight;
  }
  std::uint64_t Get(Slot slot) const noexcept {
    return small_[slot] != kAside ? small_[slot] : large_.find(slot)->second;
  }
  std::size_t Bytes() const noexcept {
    return small_.capacity() * sizeof(std::uint32_t) + large_.size() * 48;
  }

 private:
  static constexpr std::uint32_t kAside = 0xffffffff;
  std::vector<std::uint32_t> small_;
  std::unordered_map<Slot, std::uint64_t> large_;
};

/// Counts entries and weights against the limits. Nothing is added that does not fit, so that sums
/// never exceed a limit and never wrap. A weight of 0 counts as 1: without weight, entries
/// would be without bound.
class Budget {
 public:
  explicit Budget(Limits limits) noexcept : limits_(limits) {}

  const Limits& Bounds() const noexcept { return limits_; }
  /// What is too much then goes with the next one that is added. The same limits bind as before.
  void Rebound(const Limits& limits) noexcept { limits_ = limits; }
  const Load& Used() const noexcept { return used_; }
  bool Heavy(std::uint64_t weight) const noexcept {
    return limits_.weight != 0 && weight > limits_.weight;
  }
  /// Requires: not Heavy(weight).
  bool FitsWeight(std::uint64_t weight) const noexcept {
    return limits_.weight == 0 || used_.weight <= limits_.weight - Counted(weight);
  }
  bool Fits(std::uint64_t weight) const noexcept {
    return (limits_.entries == 0 || used_.entries < limits_.entries) && FitsWeight(weight);
  }
  /// The weight as it counts: 0 where weights are not bounded.
  std::uint64_t Add(Slot slot, std::uint64_t weight) {
    if (limits_.weight == 0) return ++used_.entries, 0;
    const std::uint64_t counted = Counted(weight);
    weights_.Set(slot, counted);
    used_.Add(counted);
    return counted;
  }
  std::uint64_t Drop(Slot slot) noexcept {
    const std::uint64_t weight = WeightOf(slot);
    used_.Drop(weight);
    return weight;
  }
  /// For the moment in which others make room: an entry that weighs nothing.
  void Lift(Slot slot) noexcept {
    if (limits_.weight == 0) return;
    used_.weight -= weights_.Get(slot);
    weights_.Set(slot, 0);
  }
  std::uint64_t Lower(Slot slot, std::uint64_t weight) {
    if (limits_.weight == 0) return 0;
    weights_.Set(slot, Counted(weight));
    used_.weight += Counted(weight);
    return Counted(weight);
  }
  std::uint64_t WeightOf(Slot slot) const noexcept {
    return limits_.weight == 0 ? 0 : weights_.Get(slot);
  }
  std::size_t Bytes() const noexcept { return weights_.Bytes(); }

 private:
  static std::uint64_t Counted(std::uint64_t weight) noexcept {
    return std::max<std::uint64_t>(weight, 1);
  }

  Limits limits_;
  Load used_;
  Weights weights_;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/adaptive_queues.hpp"

namespace perf::cache {

/// A cache without values that follows one rule: would it have hit? About 25 bytes an entry.
/// Thread safety: none.
class AdaptiveShadow {
 public:
  AdaptiveShadow(const Limits& limits, const AdaptiveRule& rule);
  AdaptiveShadow(const AdaptiveShadow&) = delete;
  AdaptiveShadow& operator=(const AdaptiveShadow&) = delete;

  /// True for a hit; a miss puts it.
  bool Access(std::uint32_t hash, std::uint64_t weight);
  void Remove(std::uint32_t hash) noexcept;
  void Resize(const Limits& limits) noexcept;
  std::size_t Bytes() const noexcept;

 private:
  std::size_t Home(std::uint32_t hash) const noexcept { return hash & (table_.size() - 1); }
  std::size_t Find(std::uint32_t hash) const noexcept;
  void Free(std::size_t cell) noexcept;
  void Put(std::uint32_t hash, std::uint64_t weight);
  void Rehash();

  Budget budget_;
  AdaptiveQueues queues_;
  std::vector<Slot> table_;  // open addressing by hash
  std::vector<Slot> free_;
  std::vector<Slot> evicted_;
  Slot slots_ = 0;
};

/// Tries all of kAdaptiveRules on the same sample of the keys, each in a shadow that is as much
/// smaller as the sample (SHARDS, Waldspurger et al., FAST 2015), and tells which one to follow:
/// whoever hits more of late than the one that is followed, by more than chance explains (the sign
/// test on the requests that only one of the two hits). Mini-simulations chose a window like this
/// in "Adaptive Software Cache Management" (Einziger, Eytan, Friedman and Manes, Middleware 2018).
class AdaptiveContest {
 public:
  /// entries: how many the cache holds or will hold; at least 1. tracks: it is still empty, so
  /// that Came and Went will tell all that it holds.
  AdaptiveContest(const Limits& whole, std::uint64_t entries, bool tracks);

  /// What the cache has come to hold, and no longer holds. As many of the sampled keys as it holds
  /// fit into a shadow: so a shadow is not too small or too large for a sample that caught more or
  /// fewer of the keys in use, which near the length of a loop would decide.
  void Came(std::uint32_t hash, std::uint64_t weight) noexcept {
    if (Sampled(hash)) tracked_.Add(weight);
  }
  void Went(std::uint32_t hash, std::uint64_t weight) noexcept {
    if (Sampled(hash)) tracked_.Drop(weight);
  }
  void Reweighed(std::uint32_t hash, std::uint64_t from, std::uint64_t to) noexcept {
    if (Sampled(hash)) tracked_.weight += to - from;
  }
  /// Brings the shadows to the size that the sample of a full cache asks for.
  void Fit(const Load& held) noexcept;

  /// Which keys are sampled: those of a mark below the threshold.
  static std::uint32_t MarkOf(std::uint32_t hash) noexcept { return hash * 0x85ebca6bU; }
  std::uint64_t Threshold() const noexcept { return threshold_; }
  /// One request, which the cache itself did or did not hit; the number of the rule to follow.
  std::size_t Learn(std::uint32_t hash, std::uint64_t weight, bool hit, std::size_t followed);
  void Remove(std::uint32_t hash) noexcept;
  /// False when a cache has become so much larger or smaller that the sample no longer suits it.
  static bool Suits(std::uint64_t expected, std::uint64_t entries) noexcept {
    return expected != 0 && entries / 4 <= expected && entries >= expected / 4;
  }
  std::size_t Bytes() const noexcept;

 private:
  // Sums over requests in which those of long ago count less. Instead of making all of them
  // smaller at each request, unit_ is how much the next one counts.
  struct Entrant {
    std::unique_ptr<AdaptiveShadow> shadow;
    double hits = 0;
    double unlike = 0;  // requests where it did not fare as the followed one
    // Hits of the shadow that the cache missed while it followed the rule, of so many requests;
    // not in units.
    double short_of = 0, judged = 0;
  };

  double Score(const Entrant& entrant) const noexcept;
  void Count(std::uint32_t hits, bool own) noexcept;
  void Judge(Entrant& followed, bool own, bool hit) noexcept;
  std::size_t Best(std::size_t followed) noexcept;
  void Renormalize() noexcept;
  bool Sampled(std::uint32_t hash) const noexcept { return MarkOf(hash) < threshold_; }

  const Limits whole_;
  Limits limits_;  // of a shadow
  Load tracked_;
  const std::uint64_t entries_;
  const std::uint64_t sample_;
  const bool tracks_;
  std::uint64_t threshold_ = 0;
  double fade_ = 0, slow_fade_ = 0;
  double unit_ = 1;
  double requests_ = 0;
  std::uint32_t since_look_ = 0;
  std::uint64_t since_change_ = 0;
  std::array<Entrant, kAdaptiveRules.size()> entrants_;
};

}  // namespace perf::cache

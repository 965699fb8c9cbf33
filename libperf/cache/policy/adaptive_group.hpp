// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "libperf/cache/policy/adaptive_contest.hpp"

namespace perf::cache {

/// One contest for all parts of a cache: they learn from each other and pay for the shadows once.
/// Thread safety: all methods; most requests of a large cache are not sampled, and touch nothing
/// that is written.
class AdaptiveGroup final : public PolicyGroup {
 public:
  /// whole: of all parts, among which keys are divided by chance. The seed decides which keys are
  /// sampled.
  AdaptiveGroup(const Limits& whole, std::uint64_t parts, std::uint64_t seed);

  std::uint32_t Short(std::uint64_t hash) const noexcept {
    return static_cast<std::uint32_t>(((hash ^ salt_) * 0x9e3779b97f4a7c15ULL) >> 32);
  }
  bool Sampled(std::uint32_t hash) const noexcept {
    return AdaptiveContest::MarkOf(hash) < threshold_.load(std::memory_order_relaxed);
  }
  /// Which of kAdaptiveRules to follow.
  std::size_t Followed() const noexcept { return followed_.load(std::memory_order_relaxed); }

  /// A part holds all that it may: where weights are bounded this tells how many entries there are.
  void Full(const Load& held);
  /// Those below are for hashes that are sampled. A request that the part itself did or did not
  /// hit; held: by that part when it is full.
  void Learn(std::uint32_t hash, std::uint64_t weight, bool hit, const Load* held);
  void Came(std::uint32_t hash, std::uint64_t weight);
  void Went(std::uint32_t hash, std::uint64_t weight) noexcept;
  void Reweighed(std::uint32_t hash, std::uint64_t from, std::uint64_t to) noexcept;
  void Remove(std::uint32_t hash) noexcept;
  /// The share of one part.
  std::size_t Bytes() const noexcept;

 private:
  /// Alone there is nobody to lock out.
  std::unique_lock<std::mutex> Lock() const noexcept {
    return parts_ == 1 ? std::unique_lock<std::mutex>() : std::unique_lock<std::mutex>(mutex_);
  }
  Load All(const Load& held) const noexcept {
    return {held.entries * parts_, held.weight * parts_};
  }
  void Compete(std::uint64_t entries, bool tracks);

  const Limits whole_;
  const std::uint64_t parts_;
  const std::uint64_t salt_;
  std::atomic<std::uint64_t> threshold_{0};
  std::atomic<std::uint64_t> entries_{0};  // of the contest
  std::atomic<std::size_t> followed_{kAdaptiveFirst};
  mutable std::mutex mutex_;
  std::unique_ptr<AdaptiveContest> contest_;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace perf::cache {

/// How AdaptiveQueues treats its two queues, a window and a main one. All rules work on the same
/// state, so that to change the rule moves nothing.
enum class AdaptiveMode : std::uint8_t {
  /// LRU: the older one of the two ends goes.
  kRecency,
  /// LIRS (Jiang and Zhang, SIGMETRICS 2002): who comes back sooner than the oldest of the main
  /// queue was used takes its place; told by times of last use instead of a stack.
  kReuse,
  /// S3-FIFO (Yang et al., SOSP 2023): leaves the window for the main queue with enough uses, which
  /// is a clock with counters; who is remembered enters the main queue at once.
  kCounts
};

struct AdaptiveRule {
  AdaptiveMode mode = AdaptiveMode::kRecency;
  /// Share of the window; at least one entry.
  double window = 1;
  /// Uses that lead from the window to the main queue, and how many count there (at most 15).
  std::uint8_t promote_at = 0;
  std::uint8_t count_max = 0;
  /// For how many evictions one that went is remembered, in sixteenths of the entries; 32 is as
  /// long as there is room.
  std::uint8_t remember = 32;
};

/// Those that are tried against each other. Ties go to whom is followed. Chosen on the whole
/// set of traces and on synthetic ones: each wins somewhere, and leaving one out loses there.
inline constexpr std::array<AdaptiveRule, 6> kAdaptiveRules{{
    {AdaptiveMode::kCounts, 0.2, 2, 3, 32},
    {AdaptiveMode::kCounts, 0.1, 2, 7, 14},
    {AdaptiveMode::kRecency, 1.0, 0, 0, 32},
    {AdaptiveMode::kCounts, 0.01, 1, 15, 14},
    {AdaptiveMode::kReuse, 0.03, 0, 0, 32},
    {AdaptiveMode::kReuse, 0.001, 0, 0, 32},
}};
/// Followed before anything is known. Recency first was tried: what it lets go cannot be had back
/// when a loop comes round (a third instead of half of the hits on gli@1000, 5 to 15 points fewer
/// on multi1 and multi2), against 1.7 points more on cloudPhysicsIO@2000.
inline constexpr std::size_t kAdaptiveFirst = 4;

}  // namespace perf::cache

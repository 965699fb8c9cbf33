// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::bench {

/// What one pool size did, once for each round of a sweep in which the sizes took turns.
struct SizeTrial {
  std::size_t size = 0;
  std::vector<double> throughput;  // per second
  std::vector<double> p99_ms;
  double mean_service_ms = 0;
  double Throughput() const;  // medians
  double P99() const;
};

struct SizeAdvice {
  std::size_t best = 0;  // index of the size with the highest throughput
  /// How far the best size's rounds lie from each other: (highest - lowest) / median. Of five
  /// rounds and more one is left out that is over three times as far from the median as any
  /// other: a round that the machine spoiled must not make every size look as good.
  double throughput_spread = 0;
  double p99_spread = 0;
  /// What a size must reach to do as well as the best: 97 % of its throughput and 110 % of its p99,
  /// each widened by the spread.
  double throughput_least = 0;
  double p99_most = 0;
  std::size_t recommended = 0;  // index, see Advise
  std::size_t min = 0;          // connections that are busy on average (Little's law)
  bool DoesAsWell(const SizeTrial& trial) const;
  /// How much better than the limits without the spread the worse of the two figures is; 1 is just
  /// as good.
  double Margin(const SizeTrial& best, const SizeTrial& trial) const;
};

/// A size that is so much smaller than the recommended one has to be clearly worse.
constexpr double kClearlySmaller = 0.75;

/// Recommends among the smallest size that does as well as the best and those so little above it
/// that it is not clearly smaller: the smallest of them that needs no widening of the limits, for
/// the next time the best may not be as generous; where all need it, the one that needs least.
/// Requires: at least one trial, each with at least one round; sizes in ascending order.
/// Thread safety: a pure function.
PERF_EXPORT SizeAdvice Advise(const std::vector<SizeTrial>& trials);

/// How far one size differs from itself between two sweeps: the larger median over the smaller one,
/// less 1.
struct SizeDrift {
  double throughput = 0;
  double p99 = 0;
  /// Too far to recommend anything: a pool of three quarters of the size that is all busy has as
  /// much less throughput; and a p99 that doubles by itself shows no size's.
  bool TooMuch() const;
};

/// Requires: at least one round in each. Thread safety: a pure function.
PERF_EXPORT SizeDrift Drift(const SizeTrial& first, const SizeTrial& second);

}  // namespace perf::bench

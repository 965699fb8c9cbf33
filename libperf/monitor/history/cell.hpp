// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/metrics/log_histogram.hpp"

namespace perf::monitor {

/// The clock of the history: what people and other machines call the time. It may be set.
using WallTime = std::chrono::system_clock::time_point;
/// Whole seconds since 1970, rounded down: the resolution of everything stored.
constexpr std::int64_t ToSeconds(WallTime time) noexcept {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}
/// Of a damaged file times may lie beyond 2262, where nanoseconds end: the last is in 2255.
constexpr WallTime FromSeconds(std::int64_t seconds) noexcept {
  constexpr std::int64_t kLast = 9'000'000'000;
  return WallTime(std::chrono::seconds(std::clamp(seconds, -kLast, kLast)));
}

/// What a histogram's buckets gained: only those that did, by index, in order.
struct PERF_EXPORT SparseCounts {
  metrics::Buckets buckets;
  std::vector<std::pair<std::uint8_t, std::uint64_t>> counts;
  /// Bounds between which all observations lie; 0 where there are none.
  double Lowest() const noexcept;
  double Highest() const noexcept;
  friend bool operator==(const SparseCounts&, const SparseCounts&) = default;
};

/// What one series did in one stretch of time. Cells of the same series that follow one another
/// merge into the cell of the whole stretch, without loss.
///   gauge      count samples, their sum, smallest and greatest
///   counter    sum: how much it grew in `seconds`; min, max: its slowest and fastest second, as
///              far as samples tell; count: of growths seen
///   histogram  as a counter of observations, whose sum is `sum`; `counts` has what the buckets
///              gained; min, max: bounds between which the observations lie
struct PERF_EXPORT Cell {
  std::uint64_t count = 0;
  double sum = 0;
  double min = 0;
  double max = 0;
  double seconds = 0;  // not of gauges
  std::optional<SparseCounts> counts;

  /// Histograms whose buckets changed their layout do not merge: the later wins.
  void Merge(const Cell& later);
  /// Of a histogram: how many observations; otherwise 0.
  std::uint64_t Observations() const noexcept;
  /// Of a histogram, as HistogramSnapshot::Quantile; NaN without observations.
  double Quantile(double q) const;
  friend bool operator==(const Cell&, const Cell&) = default;
};

/// Cells by the second at which their stretch begins.
using Cells = std::map<std::int64_t, Cell>;

}  // namespace perf::monitor

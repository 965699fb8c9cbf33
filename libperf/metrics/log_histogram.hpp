// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::metrics {

/// The buckets of a histogram: ten a decade at the preferred numbers of ISO 3 (R10: 1, 1.25, 1.6,
/// 2, 2.5, 3.15, 4, 5, 6.3, 8), so that 1-2-5 is a subset and every bound has a short decimal form.
/// Values are whole numbers of 10^unit: nanoseconds for seconds (unit -9), bytes (0).
struct Buckets {
  std::int8_t unit = -9;     // -12 to 6
  std::uint8_t first = 3;    // the first bucket ends at 10^first values
  std::uint8_t decades = 8;  // the last at 10^(first + decades); 1 to 12, first + decades <= 18
  static constexpr std::size_t kPerDecade = 10;
  static constexpr std::uint8_t kMostDecades = 12;

  constexpr std::size_t Bounds() const noexcept { return kPerDecade * decades + 1U; }
  /// The upper bound of a bucket in the family's unit, the double nearest to its decimal form.
  PERF_EXPORT double Bound(std::size_t bucket) const noexcept;
  /// Whether the bound's mantissa is 1, 2 or 5.
  static constexpr bool Coarse(std::size_t bucket) noexcept {
    const std::size_t step = bucket % kPerDecade;
    return step == 0 || step == 3 || step == 7;
  }
  friend constexpr bool operator==(const Buckets&, const Buckets&) = default;
};

inline constexpr Buckets kSeconds{-9, 3, 8};    // 1 us to 100 s, observed as Duration or ns
inline constexpr Buckets kByteSizes{0, 1, 10};  // 10 B to 100 GB
inline constexpr Buckets kRatios{-6, 3, 5};     // 0.001 to 100, observed in millionths

/// What a histogram held; counts[i] are the values above bound i - 1 up to bound i, the last one
/// those above all bounds.
struct PERF_EXPORT HistogramSnapshot {
  Buckets buckets;
  std::vector<std::uint64_t> counts;
  double sum = 0;  // in the family's unit

  std::uint64_t Count() const noexcept;
  /// The smallest bound that `q` (0 to 1) of the values do not exceed: at most 27 % too high within
  /// the bounds, infinity above them; NaN without values.
  double Quantile(double q) const noexcept;
};

/// Counts in logarithmic buckets; at most 1 KiB, one atomic a cell, no allocation and no lock.
/// Thread safety: all methods; a snapshot taken while others observe holds each observation wholly
/// or not at all in its counts, but its sum may differ by those under way.
class PERF_EXPORT LogHistogram {
 public:
  /// Throws: Error for buckets out of their range.
  explicit LogHistogram(Buckets buckets = kSeconds);
  void Observe(std::uint64_t value) noexcept;
  /// For kSeconds; a negative time counts as zero.
  void Observe(Duration time) noexcept {
    Observe(time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : std::uint64_t{0});
  }
  HistogramSnapshot Snapshot() const;

 private:
  static constexpr std::size_t kCells = Buckets::kPerDecade * Buckets::kMostDecades + 2;
  Buckets buckets_;
  std::uint16_t skipped_;  // bounds of the common table below our first
  std::uint16_t last_;     // our cell for what is above all bounds
  std::atomic<std::uint64_t> sum_{0};
  std::array<std::atomic<std::uint64_t>, kCells> cells_{};
};

static_assert(sizeof(LogHistogram) <= 1024);

}  // namespace perf::metrics

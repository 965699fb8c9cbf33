// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::stats {

/// What a histogram can tell apart; the unit is its owner's (a run records microseconds).
/// Requires: 1 <= lowest, 2 * lowest <= highest <= 2^62, digits from 1 to 5, and not more than
/// 2^22 buckets in all.
struct PERF_EXPORT HistogramConfig {
  std::int64_t lowest = 1;               // smallest difference that matters
  std::int64_t highest = 3'600'000'000;  // one hour in microseconds
  int digits = 3;                        // significant decimal digits kept
  friend bool operator==(const HistogramConfig&, const HistogramConfig&) = default;
};

/// Counts of integer values in buckets of bounded relative width, and their exact count, sum,
/// minimum and maximum. Layout and quantiles as in HdrHistogram (Tene); the counts live in pages
/// that are allocated when first touched.
/// Thread safety: none; one per thread, merged by its reader.
/// Range: values below 0 count as 0; those above `highest` count as `highest` and are also
/// counted as saturated.
class PERF_EXPORT Histogram {
 public:
  /// Throws: ConfigError for a configuration outside its range.
  explicit Histogram(const HistogramConfig& config = {});
  Histogram(const Histogram& other);
  Histogram& operator=(const Histogram& other);
  Histogram(Histogram&&) noexcept = default;  // the source may only be assigned to or destroyed
  Histogram& operator=(Histogram&&) noexcept = default;
  ~Histogram() = default;

  /// A few nanoseconds; allocates only when a page is touched for the first time (and ends the
  /// process when there is no memory for it).
  void Record(std::int64_t value) noexcept { Record(value, 1); }
  void Record(std::int64_t value, std::uint64_t count) noexcept;
  /// For decoders: `count` values of which only the bucket is known; they enter the sum as its
  /// middle. Requires: index < BucketCount().
  void AddAt(std::size_t index, std::uint64_t count) noexcept;
  /// Lossless. Throws: Error when `other` has another configuration.
  void Merge(const Histogram& other);
  /// Forgets all values; keeps the pages.
  void Reset() noexcept;

  const HistogramConfig& Config() const noexcept { return config_; }
  std::uint64_t Count() const noexcept { return count_; }
  std::uint64_t Saturated() const noexcept { return saturated_; }
  /// The exact extremes of what was recorded; 0 when empty.
  std::int64_t Min() const noexcept { return count_ == 0 ? 0 : min_; }
  std::int64_t Max() const noexcept { return count_ == 0 ? 0 : max_; }
  /// Exact; 0 when empty.
  double Mean() const noexcept;
  /// Of the population, within the histogram's resolution; 0 when empty.
  double StdDev() const noexcept;
  /// The largest value that cannot be told from the one at rank ceil(q * count), never above Max;
  /// Min for q = 0, Max for q = 1, 0 when empty. q is clamped to [0, 1].
  std::int64_t ValueAtQuantile(double q) const noexcept;
  /// How many values are at most `value` or cannot be told from it.
  std::uint64_t CountAtOrBelow(std::int64_t value) const noexcept;
  /// fn(lowest value, highest value, count) for each bucket with values, in ascending order.
  template <typename Fn>
  void ForEachBucket(Fn fn) const;
  std::size_t MemoryBytes() const noexcept;

  /// Bucket numbers, for encoders: 0 <= index < BucketCount().
  std::size_t BucketCount() const noexcept { return bucket_count_; }
  std::size_t IndexOf(std::int64_t value) const noexcept;
  std::uint64_t CountAt(std::size_t index) const noexcept;
  std::int64_t LowestAt(std::size_t index) const noexcept;
  std::int64_t HighestAt(std::size_t index) const noexcept;

 private:
  static constexpr std::size_t kPageBits = 8;  // 2 KiB: a run's values touch few pages
  static constexpr std::size_t kPageSize = std::size_t{1} << kPageBits;
  using Page = std::array<std::uint64_t, kPageSize>;

  Page& AddPage(std::size_t number) noexcept;
  /// Outside of [first, second) all counts are zero.
  std::pair<std::size_t, std::size_t> UsedPages() const noexcept;

  HistogramConfig config_;
  int unit_shift_ = 0;      // log2 of the smallest bucket's width
  int half_bits_ = 0;       // log2 of the buckets in each doubling of the value
  std::uint64_t mask_ = 0;  // values up to here lie in the linear part
  std::size_t bucket_count_ = 0;
  std::vector<std::unique_ptr<Page>> pages_;
  std::uint64_t count_ = 0;
  std::uint64_t saturated_ = 0;
  std::int64_t min_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t max_ = 0;
  unsigned __int128 sum_ = 0;  // exact for any count of any value
};

inline std::size_t Histogram::IndexOf(std::int64_t value) const noexcept {
  const auto bits = static_cast<std::uint64_t>(value);
  const int shift = std::bit_width(bits | mask_) - half_bits_ - 1;
  return (static_cast<std::size_t>(shift - unit_shift_) << half_bits_) + (bits >> shift);
}

inline void Histogram::Record(std::int64_t value, std::uint64_t count) noexcept {
  if (value < 0) value = 0;
  if (value > config_.highest) [[unlikely]] {
    value = config_.highest;
    saturated_ += count;
  }
  const std::size_t index = IndexOf(value);
  Page* page = pages_[index >> kPageBits].get();
  if (page == nullptr) [[unlikely]]
    page = &AddPage(index >> kPageBits);
  if (count == 0) [[unlikely]]
    return;
  (*page)[index & (kPageSize - 1)] += count;
  count_ += count;
  sum_ += static_cast<unsigned __int128>(value) * count;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

template <typename Fn>
void Histogram::ForEachBucket(Fn fn) const {
  const auto [first, last] = UsedPages();
  for (std::size_t number = first; number < last; ++number) {
    if (pages_[number] == nullptr) continue;
    for (std::size_t i = 0; i < kPageSize; ++i) {
      const std::uint64_t count = (*pages_[number])[i];
      if (count == 0) continue;
      const std::size_t index = (number << kPageBits) + i;
      fn(LowestAt(index), HighestAt(index), count);
    }
  }
}

}  // namespace perf::stats

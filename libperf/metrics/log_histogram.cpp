// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/log_histogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "libperf/base/error.hpp"

namespace perf::metrics {
namespace {

constexpr std::array<std::uint64_t, 10> kMantissas{100, 125, 160, 200, 250,
                                                   315, 400, 500, 630, 800};
constexpr std::size_t kBounds = 10 * 18 + 1;
constexpr std::uint64_t kAbove = std::numeric_limits<std::uint64_t>::max();

/// All bounds from 1 to 10^18, rounded down (values are whole), and an end that stops every search.
constexpr std::array<std::uint64_t, kBounds + 1> MakeBounds() {
  std::array<std::uint64_t, kBounds + 1> bounds{};
  std::uint64_t power = 1;
  for (std::size_t i = 0; i < kBounds; ++i) {
    const std::uint64_t mantissa = kMantissas[i % 10];
    bounds[i] = power >= 100 ? mantissa * (power / 100) : mantissa * power / 100;
    if (i % 10 == 9) power *= 10;
  }
  bounds[kBounds] = kAbove;
  return bounds;
}
constexpr auto kTable = MakeBounds();

/// For each width in bits: the first bound that its smallest number does not exceed.
constexpr std::array<std::uint8_t, 65> MakeStarts() {
  std::array<std::uint8_t, 65> starts{};
  for (std::size_t width = 1; width <= 64; ++width) {
    std::uint8_t start = starts[width - 1];
    while (kTable[start] < (std::uint64_t{1} << (width - 1))) ++start;
    starts[width] = start;
  }
  return starts;
}
constexpr auto kStarts = MakeStarts();

double PowerOfTen(int exponent) noexcept { return std::pow(10.0, exponent); }

}  // namespace

double Buckets::Bound(std::size_t bucket) const noexcept {
  if (bucket >= Bounds()) return std::numeric_limits<double>::infinity();
  // Through the decimal form: products of powers of ten are off in the last digit.
  std::array<char, 32> text{};
  const auto end =
      fmt::format_to_n(text.data(), text.size(), "{}e{}", kMantissas[bucket % kPerDecade],
                       static_cast<int>(bucket / kPerDecade) + first + unit - 2);
  double value = 0;
  std::from_chars(text.data(), end.out, value);
  return value;
}

std::uint64_t HistogramSnapshot::Count() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

double HistogramSnapshot::Quantile(double q) const noexcept {
  const std::uint64_t count = Count();
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto rank = std::max<std::uint64_t>(
      1,
      static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    seen += counts[i];
    if (seen >= rank) return buckets.Bound(i);
  }
  return std::numeric_limits<double>::infinity();
}

LogHistogram::LogHistogram(Buckets buckets)
    : buckets_(buckets),
      skipped_(static_cast<std::uint16_t>(buckets.first * Buckets::kPerDecade)),
      last_(static_cast<std::uint16_t>(buckets.Bounds())) {
  if (buckets.decades < 1 || buckets.decades > Buckets::kMostDecades ||
      buckets.first + buckets.decades > 18 || buckets.unit < -12 || buckets.unit > 6) {
    throw Error("histogram buckets are out of their range");
  }
}

void LogHistogram::Observe(std::uint64_t value) noexcept {
  std::size_t index = kStarts[static_cast<std::size_t>(std::bit_width(value))];
  while (kTable[index] < value) ++index;  // at most four times
  const std::size_t cell = index <= skipped_ ? 0 : std::min<std::size_t>(index - skipped_, last_);
  cells_[cell].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

HistogramSnapshot LogHistogram::Snapshot() const {
  HistogramSnapshot snapshot;
  snapshot.buckets = buckets_;
  snapshot.counts.resize(last_ + std::size_t{1});
  for (std::size_t i = 0; i < snapshot.counts.size(); ++i) {
    snapshot.counts[i] = cells_[i].load(std::memory_order_relaxed);
  }
  const auto sum = static_cast<double>(sum_.load(std::memory_order_relaxed));
  snapshot.sum =
      buckets_.unit < 0 ? sum / PowerOfTen(-buckets_.unit) : sum * PowerOfTen(buckets_.unit);
  return snapshot;
}

}  // namespace perf::metrics

// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/histogram.hpp"

#include <fmt/format.h>

#include <cmath>

#include "libperf/base/error.hpp"

namespace perf::stats {
namespace {

constexpr std::size_t kMostBuckets = std::size_t{1} << 22;
constexpr std::int64_t kHighest = std::int64_t{1} << 62;

void Check(const HistogramConfig& config) {
  if (config.digits < 1 || config.digits > 5) {
    throw ConfigError(fmt::format("histogram: digits must be 1 to 5, not {}", config.digits));
  }
  if (config.lowest < 1 || config.highest > kHighest || config.lowest > config.highest / 2) {
    throw ConfigError(
        fmt::format("histogram: the range {} to {} is not within 1 to 2^62, or the "
                    "upper end is not at least twice the lower",
                    config.lowest, config.highest));
  }
}

}  // namespace

Histogram::Histogram(const HistogramConfig& config) : config_(config) {
  Check(config);
  std::uint64_t resolution = 2;  // twice, because half of a doubling's buckets overlap the last one
  for (int i = 0; i < config.digits; ++i) resolution *= 10;
  unit_shift_ = std::bit_width(static_cast<std::uint64_t>(config.lowest)) - 1;
  half_bits_ = std::bit_width(resolution - 1) - 1;
  if (unit_shift_ + half_bits_ + 1 > 61) {
    throw ConfigError("histogram: its lowest value is too large for so many digits");
  }
  mask_ = ((std::uint64_t{2} << half_bits_) - 1) << unit_shift_;
  const int highest_bits = std::bit_width(static_cast<std::uint64_t>(config.highest) | mask_);
  const int doublings = highest_bits - unit_shift_ - half_bits_;
  bucket_count_ = static_cast<std::size_t>(doublings + 1) << half_bits_;
  if (bucket_count_ > kMostBuckets) {
    throw ConfigError(fmt::format("histogram: {} buckets are too many", bucket_count_));
  }
  pages_.resize((bucket_count_ + kPageSize - 1) / kPageSize);
}

Histogram::Histogram(const Histogram& other)
    : config_(other.config_),
      unit_shift_(other.unit_shift_),
      half_bits_(other.half_bits_),
      mask_(other.mask_),
      bucket_count_(other.bucket_count_),
      pages_(other.pages_.size()),
      count_(other.count_),
      saturated_(other.saturated_),
      min_(other.min_),
      max_(other.max_),
      sum_(other.sum_) {
  const auto [first, last] = other.UsedPages();
  for (std::size_t i = first; i < last; ++i) {
    if (other.pages_[i] != nullptr) pages_[i] = std::make_unique<Page>(*other.pages_[i]);
  }
}

Histogram& Histogram::operator=(const Histogram& other) {
  if (this != &other) *this = Histogram(other);
  return *this;
}

Histogram::Page& Histogram::AddPage(std::size_t number) noexcept {
  pages_[number] = std::make_unique<Page>();
  return *pages_[number];
}

std::pair<std::size_t, std::size_t> Histogram::UsedPages() const noexcept {
  if (count_ == 0) return {0, 0};
  return {IndexOf(min_) >> kPageBits, (IndexOf(max_) >> kPageBits) + 1};
}

void Histogram::AddAt(std::size_t index, std::uint64_t count) noexcept {
  if (count == 0) return;
  const std::int64_t low = LowestAt(index);
  if (low > config_.highest) {  // other implementations have room up to the next power of two
    Record(low, count);
    return;
  }
  const std::int64_t high = std::min(HighestAt(index), config_.highest);
  Record(low + (high - low) / 2, count);
  min_ = std::min(min_, low);
  max_ = std::max(max_, high);
}

void Histogram::Merge(const Histogram& other) {
  if (!(config_ == other.config_)) {
    throw Error("histograms of different range or digits cannot be merged");
  }
  const auto [first, last] = other.UsedPages();
  for (std::size_t number = first; number < last; ++number) {
    if (other.pages_[number] == nullptr) continue;
    Page& page = pages_[number] ? *pages_[number] : AddPage(number);
    for (std::size_t i = 0; i < kPageSize; ++i) page[i] += (*other.pages_[number])[i];
  }
  count_ += other.count_;
  saturated_ += other.saturated_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::Reset() noexcept {
  const auto [first, last] = UsedPages();
  for (std::size_t i = first; i < last; ++i) {
    if (pages_[i] != nullptr) pages_[i]->fill(0);
  }
  count_ = 0;
  saturated_ = 0;
  sum_ = 0;
  min_ = std::numeric_limits<std::int64_t>::max();
  max_ = 0;
}

double Histogram::Mean() const noexcept {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

double Histogram::StdDev() const noexcept {
  if (count_ == 0 || min_ == max_) return 0;
  const double mean = Mean();
  double squares = 0;
  ForEachBucket([&](std::int64_t low, std::int64_t high, std::uint64_t count) {
    const double middle = static_cast<double>(low) + static_cast<double>(high - low) / 2;
    squares += (middle - mean) * (middle - mean) * static_cast<double>(count);
  });
  return std::sqrt(squares / static_cast<double>(count_));
}

std::int64_t Histogram::ValueAtQuantile(double q) const noexcept {
  if (count_ == 0) return 0;
  if (!(q > 0)) return min_;
  if (q >= 1) return max_;
  // One step down first: 0.9 * 10 may come out a trifle above 9, which is still rank 9.
  const double exact = q * static_cast<double>(count_);
  const double rank_at = std::ceil(std::nextafter(exact, 0.0));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(rank_at), 1, count_);
  std::uint64_t seen = 0;
  const auto [first, last] = UsedPages();
  for (std::size_t number = first; number < last; ++number) {
    if (pages_[number] == nullptr) continue;
    for (std::size_t i = 0; i < kPageSize; ++i) {
      seen += (*pages_[number])[i];
      if (seen >= rank) return std::min(HighestAt((number << kPageBits) + i), max_);
    }
  }
  return max_;
}

std::uint64_t Histogram::CountAtOrBelow(std::int64_t value) const noexcept {
  if (value < 0) return 0;
  if (value >= Max()) return count_;
  const std::size_t end = IndexOf(value) + 1;
  std::uint64_t below = 0;
  const auto [first, last] = UsedPages();
  for (std::size_t number = first; number < last && (number << kPageBits) < end; ++number) {
    if (pages_[number] == nullptr) continue;
    const std::size_t stop = std::min(kPageSize, end - (number << kPageBits));
    for (std::size_t i = 0; i < stop; ++i) below += (*pages_[number])[i];
  }
  return below;
}

std::size_t Histogram::MemoryBytes() const noexcept {
  std::size_t bytes = sizeof(*this) + pages_.capacity() * sizeof(pages_[0]);
  for (const auto& page : pages_) {
    if (page != nullptr) bytes += sizeof(Page);
  }
  return bytes;
}

std::uint64_t Histogram::CountAt(std::size_t index) const noexcept {
  const auto& page = pages_[index >> kPageBits];
  return page == nullptr ? 0 : (*page)[index & (kPageSize - 1)];
}

std::int64_t Histogram::LowestAt(std::size_t index) const noexcept {
  // The first two halves are the linear part; each further half is one doubling.
  const std::size_t half = std::size_t{1} << half_bits_;
  if (index < 2 * half) return static_cast<std::int64_t>(index << unit_shift_);
  const std::size_t doubling = (index >> half_bits_) - 1;
  const std::size_t inside = (index & (half - 1)) + half;
  return static_cast<std::int64_t>(inside << (doubling + static_cast<std::size_t>(unit_shift_)));
}

std::int64_t Histogram::HighestAt(std::size_t index) const noexcept {
  const std::size_t half = std::size_t{1} << half_bits_;
  const std::size_t doubling = index < 2 * half ? 0 : (index >> half_bits_) - 1;
  const std::int64_t width = std::int64_t{1} << (doubling + static_cast<std::size_t>(unit_shift_));
  return LowestAt(index) + (width - 1);
}

}  // namespace perf::stats

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/frequency_sketch.hpp"

#include <algorithm>
#include <bit>

namespace perf::cache {

namespace {
/// Larger caches share counters: 2 GiB of them is where it ends.
constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 28;
}  // namespace

FrequencySketch::FrequencySketch(std::uint64_t entries) {
  entries_ = std::clamp<std::uint64_t>(entries, 4, kMostEntries);
  const std::uint64_t width = std::bit_ceil(entries_) * 4;
  mask_ = width - 1;
  rows_.resize(kRows * width / 16);
}

void FrequencySketch::Add(std::uint64_t hash) noexcept {
  const std::uint64_t width = mask_ + 1;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const std::uint64_t place = row * width + Place(hash, row);
    std::uint64_t& word = rows_[place / 16];
    const auto shift = static_cast<unsigned>(place % 16 * 4);
    if ((word >> shift & 15) < 15) word += std::uint64_t{1} << shift;
  }
  if (++added_ >= 10 * entries_) Halve();
}

std::uint32_t FrequencySketch::Count(std::uint64_t hash) const noexcept {
  const std::uint64_t width = mask_ + 1;
  std::uint64_t least = 15;
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const std::uint64_t place = row * width + Place(hash, row);
    least = std::min(least, rows_[place / 16] >> (place % 16 * 4) & 15);
  }
  return static_cast<std::uint32_t>(least);
}

void FrequencySketch::Halve() noexcept {
  for (std::uint64_t& word : rows_) word = word >> 1 & 0x7777777777777777ULL;
  added_ /= 2;
}

void FrequencySketch::Fit(std::uint64_t entries) {
  if (entries <= entries_ || entries_ >= kMostEntries) return;
  entries_ = std::min(std::max(entries, 2 * entries_), kMostEntries);
  const std::uint64_t wide = std::bit_ceil(entries_) * 4, width = mask_ + 1;
  if (wide == width) return;
  // The low bits of a place stay the same: each half of a wider row is a copy of the old row.
  std::vector<std::uint64_t> rows(kRows * wide / 16);
  for (std::uint32_t row = 0; row < kRows; ++row) {
    for (std::uint64_t at = 0; at < wide / 16; ++at) {
      rows[row * wide / 16 + at] = rows_[(row * width / 16) + at % (width / 16)];
    }
  }
  rows_.swap(rows);
  mask_ = wide - 1;
}

}  // namespace perf::cache

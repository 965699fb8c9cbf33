// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace perf::cache {

/// How often a hash was seen of late: a count-min sketch of four rows of 4-bit counters, all halved
/// when ten uses for each entry were counted (TinyLFU: Einziger, Friedman and Manes, 2017). 8 bytes
/// for each entry of the next power of two. Thread safety: none.
class FrequencySketch {
 public:
  /// For a cache of so many entries.
  explicit FrequencySketch(std::uint64_t entries);

  void Add(std::uint64_t hash) noexcept;
  /// 0 to 15; never less than the counts since the last halvings say.
  std::uint32_t Count(std::uint64_t hash) const noexcept;
  /// The cache holds more now; what was counted stays.
  void Fit(std::uint64_t entries);
  std::size_t Bytes() const noexcept { return rows_.capacity() * sizeof(std::uint64_t); }

 private:
  static constexpr std::uint32_t kRows = 4;
  static constexpr std::uint64_t kOdd[kRows] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                0x94d049bb133111eb, 0xd6e8feb86659fd93};

  std::uint64_t Place(std::uint64_t hash, std::uint32_t row) const noexcept {
    // A hash of its own for each row; its low bits stay when the mask gets wider.
    return (hash * kOdd[row]) >> 32 & mask_;
  }
  void Halve() noexcept;

  std::vector<std::uint64_t> rows_;  // row after row, 16 counters a word
  std::uint64_t mask_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t added_ = 0;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace perf::audio {

/// Which packets of one series came: 16-bit sequence numbers extended around the highest so far
/// (RFC 3550, A.1), and a bit for each of the last kReach.
/// Thread safety: none. Memory: what it is, about 150 bytes.
class SequenceWindow {
 public:
  static constexpr std::int64_t kReach = 1024;

  /// Forgets all; `sequence` has come.
  void Start(std::uint16_t sequence) noexcept {
    came_ = {};
    base_ = highest_ = sequence;
    Bit(highest_).Set();
  }
  /// How far from the highest: the nearest of all numbers that end in these 16 bits.
  std::int64_t Distance(std::uint16_t sequence) const noexcept {
    return static_cast<std::int16_t>(sequence - static_cast<std::uint16_t>(highest_));
  }
  std::int64_t Highest() const noexcept { return highest_; }
  /// From the lowest to the highest.
  std::int64_t Expected() const noexcept { return highest_ - base_ + 1; }
  /// Whether it has come; false for one that lies kReach and more behind.
  bool Has(std::int64_t extended) const noexcept {
    return extended <= highest_ && extended > highest_ - kReach &&
           (came_[Word(extended)] >> (extended & 63) & 1) != 0;
  }
  /// It has come. Requires: it lies less than kReach behind the highest.
  void Insert(std::int64_t extended) noexcept {
    if (extended > highest_) {
      if (extended - highest_ >= kReach) {
        came_ = {};
      } else {
        for (std::int64_t gone = highest_ + 1; gone < extended; ++gone) Bit(gone).Clear();
      }
      highest_ = extended;
    }
    if (extended < base_) base_ = extended;
    Bit(extended).Set();
  }

 private:
  struct BitOf {
    std::uint64_t& word;
    std::uint64_t mask;
    void Set() noexcept { word |= mask; }
    void Clear() noexcept { word &= ~mask; }
  };
  static std::size_t Word(std::int64_t extended) noexcept {
    return static_cast<std::size_t>(extended & (kReach - 1)) / 64;
  }
  BitOf Bit(std::int64_t extended) noexcept {
    return {came_[Word(extended)], std::uint64_t{1} << (extended & 63)};
  }

  std::array<std::uint64_t, kReach / 64> came_{};
  std::int64_t base_ = 0, highest_ = 0;
};

}  // namespace perf::audio

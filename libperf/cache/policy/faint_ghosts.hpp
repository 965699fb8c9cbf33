// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace perf::cache {

/// Remembers when entries that went were last used, in 4 bytes each: 12 bits of the hash in buckets
/// of 8, and 20 bits of the time. One in 500 newcomers is taken for a ghost by mistake, which
/// costs a place in the main queue until that one is found idle.
class FaintGhosts {
 public:
  explicit FaintGhosts(std::size_t ghosts = kWays) { Reset(ghosts); }

  /// Forgets all and makes room for so many.
  void Reset(std::size_t ghosts) {
    buckets_ = ghosts / kWays + (ghosts % kWays != 0 ? 1 : 0);
    if (buckets_ == 0) buckets_ = 1;
    cells_.assign(buckets_ * kWays, 0);
    cells_.shrink_to_fit();
  }
  /// In a full bucket the one that was used the longest time ago makes room.
  void Put(std::uint32_t hash, std::uint32_t used, std::uint32_t now) noexcept {
    std::uint32_t* const bucket = Bucket(hash);
    const std::uint32_t mark = Mark(hash);
    std::size_t at = 0;
    std::uint32_t oldest = 0;
    for (std::size_t way = 0; way < kWays; ++way) {
      if (bucket[way] == 0 || bucket[way] >> kTimeBits == mark) {
        at = way;
        break;
      }
      const std::uint32_t age = (now - bucket[way]) & kTimes;
      if (age >= oldest) {
        oldest = age;
        at = way;
      }
    }
    bucket[at] = mark << kTimeBits | (used & kTimes);
  }
  /// Takes a ghost out and tells how long ago it was used, modulo 2^20.
  std::optional<std::uint32_t> Take(std::uint32_t hash, std::uint32_t now) noexcept {
    std::uint32_t* const bucket = Bucket(hash);
    const std::uint32_t mark = Mark(hash);
    for (std::size_t way = 0; way < kWays; ++way) {
      if (bucket[way] == 0 || bucket[way] >> kTimeBits != mark) continue;
      const std::uint32_t age = (now - bucket[way]) & kTimes;
      bucket[way] = 0;
      return age;
    }
    return std::nullopt;
  }
  std::size_t Bytes() const noexcept { return cells_.capacity() * sizeof(std::uint32_t); }

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::uint32_t kTimeBits = 20, kTimes = (1U << kTimeBits) - 1;

  std::uint32_t* Bucket(std::uint32_t hash) noexcept {
    return &cells_[((std::uint64_t{hash} * buckets_) >> 32) * kWays];
  }
  /// Never 0, which is an empty cell. Mixed, since neighbours in a bucket share their upper bits.
  static std::uint32_t Mark(std::uint32_t hash) noexcept {
    const std::uint32_t mark = (hash * 0x9e3779b1U) >> kTimeBits;
    return mark != 0 ? mark : 1;
  }

  std::size_t buckets_ = 1;
  std::vector<std::uint32_t> cells_;
};

}  // namespace perf::cache

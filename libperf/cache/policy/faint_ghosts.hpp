// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace perf::cache {

/// Remembers when entries that went were last used, in 3 bytes each: 10 bits of the hash in buckets
/// of 8, and 14 bits of the time. One in 130 newcomers is taken for a ghost by mistake, which
/// costs a place in the main queue until that one is found idle.
class FaintGhosts {
 public:
  /// Ages from here on are no longer told apart.
  static constexpr std::uint32_t kOldest = 3U << 12;

  explicit FaintGhosts(std::size_t ghosts = kWays) { Reset(ghosts); }

  /// Forgets all; there will be room for so many once there are any.
  void Reset(std::size_t ghosts) {
    buckets_ = std::max<std::size_t>((ghosts + kWays - 1) / kWays, 1);
    cells_ = {};
    swept_ = 0;
  }
  void Prefetch(std::uint32_t hash) const noexcept {
    if (!cells_.empty()) __builtin_prefetch(&cells_[Bucket(hash)]);
  }
  /// In a full bucket the one that was used the longest time ago makes room.
  void Put(std::uint32_t hash, std::uint32_t used, std::uint32_t now) {
    if (cells_.empty()) cells_.assign(buckets_ * kBucketBytes, 0);
    std::uint8_t* const bucket = &cells_[Bucket(hash)];
    const std::uint32_t mark = Mark(hash);
    std::size_t at = 0;
    std::uint32_t oldest = 0;
    for (std::size_t way = 0; way < kWays; ++way) {
      const std::uint32_t cell = Load(bucket, way);
      if (cell == 0 || cell >> kTimeBits == mark) {
        at = way;
        break;
      }
      const std::uint32_t age = (now - cell) & kTimes;
      if (age >= oldest) {
        oldest = age;
        at = way;
      }
    }
    Store(bucket, at, mark << kTimeBits | (used & kTimes));
  }
  /// Takes a ghost out and tells how long ago it was used, at most kOldest where Sweep is called
  /// often enough.
  std::optional<std::uint32_t> Take(std::uint32_t hash, std::uint32_t now) noexcept {
    if (cells_.empty()) return std::nullopt;
    std::uint8_t* const bucket = &cells_[Bucket(hash)];
    const std::uint32_t mark = Mark(hash);
    for (std::size_t way = 0; way < kWays; ++way) {
      const std::uint32_t cell = Load(bucket, way);
      if (cell >> kTimeBits != mark) continue;
      Store(bucket, way, 0);
      return (now - cell) & kTimes;
    }
    return std::nullopt;
  }
  /// Keeps those of the next bucket from growing young when the time comes round.
  void Sweep(std::uint32_t now) noexcept {
    if (cells_.empty()) return;
    std::uint8_t* const bucket = &cells_[swept_ * kBucketBytes];
    if (++swept_ == buckets_) swept_ = 0;
    for (std::size_t way = 0; way < kWays; ++way) {
      const std::uint32_t cell = Load(bucket, way);
      if (cell == 0 || ((now - cell) & kTimes) <= kOldest) continue;
      Store(bucket, way, cell >> kTimeBits << kTimeBits | ((now - kOldest) & kTimes));
    }
  }
  std::size_t Bytes() const noexcept { return cells_.capacity(); }

 private:
  static constexpr std::size_t kWays = 8, kCellBytes = 3, kBucketBytes = kWays * kCellBytes;
  static constexpr std::uint32_t kTimeBits = 14, kTimes = (1U << kTimeBits) - 1;

  static std::uint32_t Load(const std::uint8_t* bucket, std::size_t way) noexcept {
    const std::uint8_t* const cell = bucket + way * kCellBytes;
    return cell[0] | std::uint32_t{cell[1]} << 8 | std::uint32_t{cell[2]} << 16;
  }
  static void Store(std::uint8_t* bucket, std::size_t way, std::uint32_t value) noexcept {
    std::uint8_t* const cell = bucket + way * kCellBytes;
    cell[0] = static_cast<std::uint8_t>(value);
    cell[1] = static_cast<std::uint8_t>(value >> 8);
    cell[2] = static_cast<std::uint8_t>(value >> 16);
  }
  std::size_t Bucket(std::uint32_t hash) const noexcept {
    return ((std::uint64_t{hash} * buckets_) >> 32) * kBucketBytes;
  }
  /// Never 0, which is an empty cell. Mixed, since neighbours in a bucket share their upper bits.
  static std::uint32_t Mark(std::uint32_t hash) noexcept {
    const std::uint32_t mark = (hash * 0x9e3779b1U) >> (8 + kTimeBits);
    return mark != 0 ? mark : 1;
  }

  std::size_t buckets_ = 1, swept_ = 0;
  std::vector<std::uint8_t> cells_;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "libperf/cache/memory/arena.hpp"

namespace perf::cache {

/// The hash table of one shard: buckets of a cache line with twelve entries each, found by one byte
/// of their hash; what does not fit goes to the next bucket, and a bucket counts what passed it (as
/// F14 does), so that entries never move and a reader needs no lock and no version.
/// Thread safety: Bucket's and At's readers all; the rest under the lock of the shard.
class IndexTable {
 public:
  static constexpr unsigned kWidth = 12;

  struct alignas(64) Bucket {
    std::atomic<std::uint64_t> low{0};   // tags 0 to 7; a free place has 0
    std::atomic<std::uint64_t> high{0};  // tags 8 to 11, then how many passed
    std::array<std::atomic<EntryRef>, kWidth> refs{};

    /// One bit for each place that has the tag.
    unsigned Matches(std::uint64_t low_tags, std::uint64_t high_tags,
                     std::uint8_t tag) const noexcept {
#ifdef __SSE2__
      const __m128i tags =
          _mm_set_epi64x(static_cast<long long>(high_tags), static_cast<long long>(low_tags));
      const __m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi8(static_cast<char>(tag)));
      return static_cast<unsigned>(_mm_movemask_epi8(same)) & ((1U << kWidth) - 1);
#else
      unsigned found = 0;
      for (unsigned i = 0; i < kWidth; ++i) {
        const std::uint64_t tags = i < 8 ? low_tags >> (8 * i) : high_tags >> (8 * (i - 8));
        if (static_cast<std::uint8_t>(tags) == tag) found |= 1U << i;
      }
      return found;
#endif
    }
    void SetTag(unsigned place, std::uint8_t tag) noexcept {
      std::atomic<std::uint64_t>& word = place < 8 ? low : high;
      const unsigned shift = 8 * (place & 7);
      const std::uint64_t kept = word.load(std::memory_order_relaxed) & ~(0xffULL << shift);
      word.store(kept | std::uint64_t{tag} << shift, std::memory_order_release);
    }
    void CountPassed(int change) noexcept {
      const auto step = static_cast<std::uint64_t>(static_cast<std::int64_t>(change)) << 32;
      high.store(high.load(std::memory_order_relaxed) + step, std::memory_order_release);
    }
    static bool Passed(std::uint64_t high_tags) noexcept { return (high_tags >> 32) != 0; }
  };
  /// Where an entry stands.
  struct Place {
    Bucket* bucket = nullptr;
    unsigned at = 0;
    std::atomic<EntryRef>& Ref() const noexcept { return bucket->refs[at]; }
  };

  explicit IndexTable(std::size_t buckets);

  /// How many entries so many buckets take.
  static std::size_t RoomOf(std::size_t buckets) noexcept {
    return std::max<std::size_t>(buckets * kWidth * kFullPercent / 100, 1);
  }
  /// As many as hold all that a limit allows, and the one that comes before another one goes.
  static std::size_t BucketsFor(std::uint64_t entries) noexcept {
    return static_cast<std::size_t>((entries + 1) * 100 / (kWidth * kFullPercent) + 1);
  }

  /// The top byte of a hash chooses the shard, the lowest is the tag, what is between the bucket.
  static std::uint8_t TagOf(std::uint64_t hash) noexcept {
    const auto tag = static_cast<std::uint8_t>(hash);
    return tag != 0 ? tag : 1;
  }
  std::size_t Home(std::uint64_t hash) const noexcept {
    return (((hash >> 24) & 0xffffffff) * size_) >> 32;
  }
  Bucket& At(std::size_t bucket) const noexcept { return buckets_[bucket]; }
  std::size_t Next(std::size_t bucket) const noexcept {
    return bucket + 1 < size_ ? bucket + 1 : 0;
  }
  std::size_t Size() const noexcept { return size_; }
  std::size_t Bytes() const noexcept { return size_ * sizeof(Bucket) + sizeof(*this); }

  /// The place of a reference that is known to be here.
  Place Find(EntryRef ref, std::uint64_t hash) const noexcept;
  /// Requires: the table has room.
  void Insert(EntryRef ref, std::uint64_t hash) noexcept;
  void Erase(Place place, std::uint64_t hash) noexcept;
  /// Calls `visit(ref)` for all.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (std::size_t i = 0; i < size_; ++i) {
      for (const auto& ref : buckets_[i].refs) {
        if (ref.load(std::memory_order_relaxed) != 0) visit(ref.load(std::memory_order_relaxed));
      }
    }
  }

 private:
  static constexpr std::size_t kFullPercent = 85;

  std::size_t size_;
  std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace perf::cache

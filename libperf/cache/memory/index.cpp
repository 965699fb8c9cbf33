// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/index.hpp"

namespace perf::cache {

IndexTable::IndexTable(std::size_t buckets)
    : size_(buckets), buckets_(std::make_unique<Bucket[]>(buckets)) {}

IndexTable::Place IndexTable::Find(EntryRef ref, std::uint64_t hash) const noexcept {
  const std::uint8_t tag = TagOf(hash);
  std::size_t left = size_;
  for (std::size_t i = Home(hash);; i = Next(i)) {
    Bucket& bucket = buckets_[i];
    const std::uint64_t high = bucket.high.load(std::memory_order_relaxed);
    unsigned matches = bucket.Matches(bucket.low.load(std::memory_order_relaxed), high, tag);
    for (; matches != 0; matches &= matches - 1) {
      const auto at = static_cast<unsigned>(std::countr_zero(matches));
      if (bucket.refs[at].load(std::memory_order_relaxed) == ref) return {&bucket, at};
    }
    if (!Bucket::Passed(high) || --left == 0) return {};
  }
}

void IndexTable::Insert(EntryRef ref, std::uint64_t hash) noexcept {
  for (std::size_t i = Home(hash);; i = Next(i)) {
    Bucket& bucket = buckets_[i];
    const unsigned free = bucket.Matches(bucket.low.load(std::memory_order_relaxed),
                                         bucket.high.load(std::memory_order_relaxed), 0);
    if (free != 0) {
      const auto at = static_cast<unsigned>(std::countr_zero(free));
      bucket.refs[at].store(ref, std::memory_order_release);
      // Last: who does not see the tag yet does not see the entry.
      bucket.SetTag(at, TagOf(hash));
      return;
    }
    bucket.CountPassed(1);
  }
}

void IndexTable::Erase(Place place, std::uint64_t hash) noexcept {
  // Whoever frees the entry has a barrier between this and its look at the hazards.
  place.Ref().store(0, std::memory_order_release);
  place.bucket->SetTag(place.at, 0);
  for (std::size_t i = Home(hash); &buckets_[i] != place.bucket; i = Next(i)) {
    buckets_[i].CountPassed(-1);
  }
}

}  // namespace perf::cache

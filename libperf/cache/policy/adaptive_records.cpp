// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive_records.hpp"

#include <algorithm>

namespace perf::cache {

AdaptiveRecords::AdaptiveRecords() : words_(kRings * kNarrow) {
  for (std::uint32_t ring = 0; ring < kRings; ++ring) {
    SetPrevious(ring, ring);
    SetNext(ring, ring);
  }
}

void AdaptiveRecords::Grow(Slot slot) {
  if (slot < Slots()) return;
  const std::size_t nodes = std::size_t{slot} + kRings + 1, old = Slots() + kRings;
  if (nodes > kMostNarrow) Widen();
  words_.resize(nodes * stride_);
  for (std::size_t node = old; node < nodes; ++node) words_[node * stride_ + 1] = link_;
}

void AdaptiveRecords::Widen() {
  if (stride_ == kWide) return;
  const std::size_t nodes = Slots() + kRings;
  std::vector<std::uint32_t> wide;
  wide.reserve(std::max(words_.capacity(), nodes * kWide));
  for (std::size_t node = 0; node < nodes; ++node) {
    const std::uint32_t* const words = &words_[node * kNarrow];
    const std::uint32_t next = words[1] & kMostNarrow;
    const std::uint32_t time = (words[0] >> 20) | (words[1] >> 8 & 0xf000);
    wide.insert(wide.end(), {words[0] & kMostNarrow, next == kMostNarrow ? ~0U : next, words[2],
                             time | words[1] >> 24 << 16});
  }
  words_.swap(wide);
  stride_ = kWide;
  link_ = ~0U;
}

}  // namespace perf::cache

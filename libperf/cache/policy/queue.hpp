// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/policy_of.hpp"
#include "libperf/cache/policy/rings.hpp"

namespace perf::cache {

/// One queue: LRU where a use brings an entry to its front, FIFO where nothing does.
/// Metadata: 8 bytes an entry, 12 with weights.
template <bool kRecency>
class Queue final : public PolicyOf<Queue<kRecency>> {
 public:
  using PolicyOf<Queue<kRecency>>::PolicyOf;

  std::string_view Name() const noexcept override { return kRecency ? "lru" : "fifo"; }
  std::size_t MetadataBytes() const noexcept override {
    return rings_.Bytes() + this->budget_.Bytes();
  }
  void OnHit(Slot slot) noexcept override {
    if constexpr (kRecency) {
      if (rings_.Holds(slot)) rings_.MoveToFront(0, slot);
    }
  }

  Slot Next() const noexcept override { return rings_.Back(0); }

  bool Holds(Slot slot) const noexcept { return rings_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
    while (!this->budget_.Fits(arrival.weight)) EvictOne(evicted);
    rings_.Grow(slot);
    rings_.PushFront(0, slot);
    this->budget_.Add(slot, arrival.weight);
  }
  void EvictOne(std::vector<Slot>& evicted) {
    const Slot victim = rings_.Back(0);
    Forget(victim);
    evicted.push_back(victim);
  }
  void Forget(Slot slot) noexcept {
    rings_.Unlink(slot);
    this->budget_.Drop(slot);
  }

 private:
  Rings<1> rings_;
};

using Lru = Queue<true>;
using Fifo = Queue<false>;

}  // namespace perf::cache

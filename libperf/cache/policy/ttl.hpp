// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tuple>

#include "libperf/cache/policy/policy_of.hpp"
#include "libperf/cache/policy/slot_heap.hpp"

namespace perf::cache {

/// Plain order of expiry: what expires first goes first; among equals, and where nothing expires,
/// what was written first. Uses count for nothing. O(log n) a write. Metadata: 28 bytes an entry.
class Ttl final : public PolicyOf<Ttl> {
 public:
  using PolicyOf::PolicyOf;

  std::string_view Name() const noexcept override { return "ttl"; }
  std::size_t MetadataBytes() const noexcept override { return heap_.Bytes() + budget_.Bytes(); }
  void OnHit(Slot /*slot*/) noexcept override {}

  bool Holds(Slot slot) const noexcept { return heap_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
    while (!budget_.Fits(arrival.weight)) EvictOne(evicted);
    Rewrite(slot, arrival);
    budget_.Add(slot, arrival.weight);
  }
  void Rewrite(Slot slot, const Arrival& arrival) { heap_.Set(slot, {arrival.expires, ++writes_}); }
  void EvictOne(std::vector<Slot>& evicted) {
    const Slot victim = heap_.Top();
    Forget(victim);
    evicted.push_back(victim);
  }
  void Forget(Slot slot) noexcept {
    heap_.Erase(slot);
    budget_.Drop(slot);
  }

 private:
  struct Key {
    std::int64_t expires;
    std::uint64_t written;
    bool operator<(const Key& other) const noexcept {
      return std::tie(expires, written) < std::tie(other.expires, other.written);
    }
  };

  SlotHeap<Key> heap_;
  std::uint64_t writes_ = 0;
};

}  // namespace perf::cache

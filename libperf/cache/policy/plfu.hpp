// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tuple>
#include <unordered_map>

#include "libperf/cache/policy/policy_of.hpp"
#include "libperf/cache/policy/slot_heap.hpp"

namespace perf::cache {

/// Perfect LFU: counts over the whole history, also of what went long ago; among equals the least
/// recently used goes. For simulation: memory grows with the distinct keys, O(log n) a use.
class Plfu final : public PolicyOf<Plfu> {
 public:
  using PolicyOf::PolicyOf;

  std::string_view Name() const noexcept override { return "plfu"; }
  std::size_t MetadataBytes() const noexcept override {
    return heap_.Bytes() + budget_.Bytes() + hashes_.capacity() * sizeof(std::uint64_t) +
           counts_.size() * 40;
  }
  void OnHit(Slot slot) noexcept override {
    if (Holds(slot)) Use(slot);
  }

  bool Holds(Slot slot) const noexcept { return heap_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
    while (!budget_.Fits(arrival.weight)) EvictOne(evicted);
    if (slot >= hashes_.size()) hashes_.resize(slot + std::size_t{1});
    hashes_[slot] = arrival.hash;
    Use(slot);
    budget_.Add(slot, arrival.weight);
  }
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
    std::uint64_t count;
    std::uint64_t used;
    bool operator<(const Key& other) const noexcept {
      return std::tie(count, used) < std::tie(other.count, other.used);
    }
  };

  void Use(Slot slot) { heap_.Set(slot, {++counts_[hashes_[slot]], ++clock_}); }

  SlotHeap<Key> heap_;
  std::vector<std::uint64_t> hashes_;
  std::unordered_map<std::uint64_t, std::uint64_t> counts_;
  std::uint64_t clock_ = 0;
};

}  // namespace perf::cache

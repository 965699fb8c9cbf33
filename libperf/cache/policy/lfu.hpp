// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/policy_of.hpp"

namespace perf::cache {

/// In-cache LFU, O(1) a use (Shah, Mitra and Matani, 2010): a list of buckets by count, each a list
/// of its entries by their last use. A count is forgotten on eviction; among equals the least
/// recently used goes. Metadata: 12 bytes an entry, 16 with weights, and 32 for each different
/// count.
class Lfu final : public PolicyOf<Lfu> {
 public:
  using PolicyOf::PolicyOf;

  std::string_view Name() const noexcept override { return "lfu"; }
  std::size_t MetadataBytes() const noexcept override;
  /// May allocate a bucket; where memory has run out the use is not counted.
  void OnHit(Slot slot) noexcept override;

  bool Holds(Slot slot) const noexcept {
    return slot < nodes_.size() && nodes_[slot].bucket != kNoSlot;
  }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted);
  void EvictOne(std::vector<Slot>& evicted);
  void Forget(Slot slot) noexcept;

 private:
  struct Node {
    Slot newer = kNoSlot;
    Slot older = kNoSlot;
    std::uint32_t bucket = kNoSlot;
  };
  struct Bucket {
    std::uint64_t count = 0;
    std::uint32_t fewer = kNoSlot;
    std::uint32_t more = kNoSlot;  // of a free one: the next free one
    Slot newest = kNoSlot;
    Slot oldest = kNoSlot;
  };

  std::uint32_t NewBucket(std::uint64_t count, std::uint32_t after);
  void Join(Slot slot, std::uint32_t bucket) noexcept;
  void Leave(Slot slot) noexcept;

  std::vector<Node> nodes_;
  std::vector<Bucket> buckets_;
  std::uint32_t lowest_ = kNoSlot;
  std::uint32_t free_ = kNoSlot;
};

}  // namespace perf::cache

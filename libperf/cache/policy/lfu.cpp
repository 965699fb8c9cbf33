// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/lfu.hpp"

#include <new>

namespace perf::cache {

std::size_t Lfu::MetadataBytes() const noexcept {
  return nodes_.capacity() * sizeof(Node) + buckets_.capacity() * sizeof(Bucket) + budget_.Bytes();
}

/// A bucket behind `after`, or in front of all where that is none.
std::uint32_t Lfu::NewBucket(std::uint64_t count, std::uint32_t after) {
  std::uint32_t made = free_;
  if (made == kNoSlot) {
    made = static_cast<std::uint32_t>(buckets_.size());
    buckets_.emplace_back();
  } else {
    free_ = buckets_[made].more;
  }
  const std::uint32_t more = after == kNoSlot ? lowest_ : buckets_[after].more;
  buckets_[made] = {count, after, more, kNoSlot, kNoSlot};
  (after == kNoSlot ? lowest_ : buckets_[after].more) = made;
  if (more != kNoSlot) buckets_[more].fewer = made;
  return made;
}

void Lfu::Join(Slot slot, std::uint32_t bucket) noexcept {
  Bucket& to = buckets_[bucket];
  nodes_[slot] = {kNoSlot, to.newest, bucket};
  (to.newest == kNoSlot ? to.oldest : nodes_[to.newest].newer) = slot;
  to.newest = slot;
}

void Lfu::Leave(Slot slot) noexcept {
  const Node node = nodes_[slot];
  Bucket& from = buckets_[node.bucket];
  (node.newer == kNoSlot ? from.newest : nodes_[node.newer].older) = node.older;
  (node.older == kNoSlot ? from.oldest : nodes_[node.older].newer) = node.newer;
  nodes_[slot].bucket = kNoSlot;
  if (from.newest != kNoSlot) return;
  (from.fewer == kNoSlot ? lowest_ : buckets_[from.fewer].more) = from.more;
  if (from.more != kNoSlot) buckets_[from.more].fewer = from.fewer;
  from.more = free_;
  free_ = node.bucket;
}

void Lfu::OnHit(Slot slot) noexcept {
  if (!Holds(slot)) return;
  const std::uint32_t at = nodes_[slot].bucket;
  const std::uint64_t count = buckets_[at].count + 1;
  std::uint32_t to = buckets_[at].more;
  if (to == kNoSlot || buckets_[to].count != count) {
    if (buckets_[at].newest == buckets_[at].oldest) {  // alone: its bucket goes along
      buckets_[at].count = count;
      return;
    }
    try {
      to = NewBucket(count, at);
    } catch (const std::bad_alloc&) {
      return;
    }
  }
  Leave(slot);
  Join(slot, to);
}

void Lfu::Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
  while (!budget_.Fits(arrival.weight)) EvictOne(evicted);
  if (slot >= nodes_.size()) nodes_.resize(slot + std::size_t{1});
  const bool fits = lowest_ != kNoSlot && buckets_[lowest_].count == 1;
  Join(slot, fits ? lowest_ : NewBucket(1, kNoSlot));
  budget_.Add(slot, arrival.weight);
}

void Lfu::EvictOne(std::vector<Slot>& evicted) {
  const Slot victim = buckets_[lowest_].oldest;
  Forget(victim);
  evicted.push_back(victim);
}

void Lfu::Forget(Slot slot) noexcept {
  Leave(slot);
  budget_.Drop(slot);
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/s3fifo.hpp"

namespace perf::cache {

namespace {

std::uint64_t Part(std::uint64_t whole, double share) {
  return static_cast<std::uint64_t>(share * static_cast<double>(whole));
}

std::uint64_t MainPart(std::uint64_t whole) {
  return whole - std::min(whole, std::max<std::uint64_t>(1, Part(whole, 0.1)));
}

}  // namespace

S3Fifo::S3Fifo(Limits limits) noexcept : PolicyOf(limits) {
  main_share_ = {MainPart(limits.entries), MainPart(limits.weight)};
  ghost_share_ = {Part(limits.entries, 0.9), Part(limits.weight, 0.9)};
}

std::size_t S3Fifo::MetadataBytes() const noexcept {
  return rings_.Bytes() + state_.capacity() + hashes_.capacity() * sizeof(std::uint64_t) +
         ghosts_.Bytes() + budget_.Bytes();
}

void S3Fifo::Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
  // Before anything goes: evictions push ghosts out.
  const bool known = ghosts_.Take(arrival.hash).has_value();
  while (!budget_.Fits(arrival.weight)) EvictOne(evicted);
  rings_.Grow(slot);
  if (slot >= state_.size()) {
    state_.resize(slot + std::size_t{1});
    hashes_.resize(slot + std::size_t{1});
  }
  state_[slot] = known ? kInMain : 0;
  hashes_[slot] = arrival.hash;
  rings_.PushFront(RingOf(slot), slot);
  loads_[RingOf(slot)].Add(budget_.Add(slot, arrival.weight));
}

void S3Fifo::EvictOne(std::vector<Slot>& evicted) {
  // A share of 0 binds nothing in Load::Over, but a main queue without room is always over it.
  const auto over = [this] {
    const Limits& all = budget_.Bounds();
    return (all.entries != 0 && loads_[kMain].entries > main_share_.entries) ||
           (all.weight != 0 && loads_[kMain].weight > main_share_.weight);
  };
  while (true) {
    if (rings_.Empty(kSmall) || (over() && !rings_.Empty(kMain))) return EvictFromMain(evicted);
    if (EvictFromSmall(evicted)) return;
  }
}

/// False where all that was there has moved to the main queue.
bool S3Fifo::EvictFromSmall(std::vector<Slot>& evicted) {
  while (!rings_.Empty(kSmall)) {
    const Slot slot = rings_.Back(kSmall);
    const std::uint64_t weight = budget_.WeightOf(slot);
    if ((state_[slot] & kCount) < kPromoteAt) {
      Forget(slot);
      evicted.push_back(slot);
      // Room first, so that the ghosts never exceed their share.
      const std::uint64_t counted = std::max<std::uint64_t>(weight, 1);
      const Limits& all = budget_.Bounds();
      if ((all.entries != 0 && ghost_share_.entries == 0) ||
          (all.weight != 0 && ghost_share_.weight < counted)) {
        return true;
      }
      while ((all.entries != 0 && ghosts_.Of(0).entries >= ghost_share_.entries) ||
             (all.weight != 0 && ghosts_.Of(0).weight > ghost_share_.weight - counted)) {
        ghosts_.PopOldest(0);
      }
      ghosts_.Push(0, hashes_[slot], counted);
      return true;
    }
    rings_.Unlink(slot);
    loads_[kSmall].Drop(weight);
    state_[slot] = kInMain;
    rings_.PushFront(kMain, slot);
    loads_[kMain].Add(weight);
  }
  return false;
}

Slot S3Fifo::Next() const noexcept {
  const Slot slot = rings_.Back(kSmall);
  return slot == kNoSlot || (state_[slot] & kCount) >= kPromoteAt ? rings_.Back(kMain) : slot;
}

void S3Fifo::EvictFromMain(std::vector<Slot>& evicted) {
  Slot slot = rings_.Back(kMain);
  while ((state_[slot] & kCount) > 0) {
    --state_[slot];
    rings_.MoveToFront(kMain, slot);
    slot = rings_.Back(kMain);
  }
  Forget(slot);
  evicted.push_back(slot);
}

void S3Fifo::Forget(Slot slot) noexcept {
  rings_.Unlink(slot);
  loads_[RingOf(slot)].Drop(budget_.Drop(slot));
}

void S3Fifo::Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept {
  loads_[RingOf(slot)].weight += to - from;
}

}  // namespace perf::cache

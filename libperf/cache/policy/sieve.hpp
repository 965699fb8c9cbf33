// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/policy_of.hpp"
#include "libperf/cache/policy/rings.hpp"

namespace perf::cache {

/// SIEVE (Zhang, Yang, Yue, Vigfusson and Rashmi, NSDI 2024): one queue that is never reordered, a
/// visited bit, and a hand that walks from the tail to the head and wraps. Metadata: 9 bytes an
/// entry, 13 with weights.
class Sieve final : public PolicyOf<Sieve> {
 public:
  using PolicyOf::PolicyOf;

  std::string_view Name() const noexcept override { return "sieve"; }
  std::size_t MetadataBytes() const noexcept override {
    return rings_.Bytes() + budget_.Bytes() + visited_.capacity();
  }
  void OnHit(Slot slot) noexcept override {
    // What is not held counts as visited, so that most hits look nowhere else.
    if (slot < visited_.size() && visited_[slot] == 0) visited_[slot] = 1;
  }
  Slot Next() const noexcept override {
    Slot at = hand_ == kNoSlot ? rings_.Back(0) : hand_;
    for (int i = 0; i < kAhead && at != kNoSlot && visited_[at] != 0; ++i) at = rings_.Newer(at);
    return at;
  }

  bool Holds(Slot slot) const noexcept { return rings_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
    while (!budget_.Fits(arrival.weight)) EvictOne(evicted);
    rings_.Grow(slot);
    if (slot >= visited_.size()) visited_.resize(slot + std::size_t{1}, 1);
    visited_[slot] = 0;
    rings_.PushFront(0, slot);
    budget_.Add(slot, arrival.weight);
  }
  void EvictOne(std::vector<Slot>& evicted) {
    Slot at = hand_ == kNoSlot ? rings_.Back(0) : hand_;
    while (visited_[at] != 0) {
      visited_[at] = 0;
      const Slot newer = rings_.Newer(at);
      at = newer == kNoSlot ? rings_.Back(0) : newer;
    }
    hand_ = at;  // Forget moves it on
    Forget(at);
    evicted.push_back(at);
  }
  void Forget(Slot slot) noexcept {
    if (hand_ == slot) hand_ = rings_.Newer(slot);
    rings_.Unlink(slot);
    visited_[slot] = 1;
    budget_.Drop(slot);
  }

 private:
  static constexpr int kAhead = 8;

  Rings<1> rings_;
  std::vector<std::uint8_t> visited_;
  Slot hand_ = kNoSlot;  // none: the next walk starts at the tail
};

}  // namespace perf::cache

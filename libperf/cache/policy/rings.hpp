// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// Doubly linked lists over slots, 8 bytes a slot: a slot is in one of them or in none. Rings
/// closed by a sentinel each, so that linking has no branches. Front is where newcomers enter.
template <std::uint32_t kRings>
class Rings {
 public:
  Rings() : links_(kRings) {
    for (std::uint32_t ring = 0; ring < kRings; ++ring) links_[ring] = {ring, ring};
  }

  /// Memory for so many slots at once, instead of twice as much as there ever are.
  void Reserve(std::size_t slots) { links_.reserve(slots + kRings); }
  /// Makes place for a slot; it is in no ring.
  void Grow(Slot slot) {
    const std::size_t need = std::size_t{slot} + kRings + 1;
    if (links_.size() < need) links_.resize(need, Link{kNoSlot, kNoSlot});
  }
  bool Holds(Slot slot) const noexcept {
    return std::size_t{slot} + kRings < links_.size() && links_[slot + kRings].next != kNoSlot;
  }
  /// Requires of those below: Grow(slot) came before, and whether it is in a ring is as they need.
  void PushFront(std::uint32_t ring, Slot slot) noexcept { LinkFront(ring, slot + kRings); }
  void PushBack(std::uint32_t ring, Slot slot) noexcept {
    LinkFront(links_[ring].prev, slot + kRings);
  }
  void Unlink(Slot slot) noexcept {
    Cut(slot + kRings);
    links_[slot + kRings] = {kNoSlot, kNoSlot};
  }
  void MoveToFront(std::uint32_t ring, Slot slot) noexcept {
    const std::uint32_t node = slot + kRings;
    if (links_[ring].next == node) return;
    Cut(node);
    LinkFront(ring, node);
  }
  bool Empty(std::uint32_t ring) const noexcept { return links_[ring].next == ring; }
  /// kNoSlot where there is none.
  Slot Back(std::uint32_t ring) const noexcept { return SlotOf(links_[ring].prev); }
  Slot Front(std::uint32_t ring) const noexcept { return SlotOf(links_[ring].next); }
  /// The neighbour nearer to the front.
  Slot Newer(Slot slot) const noexcept { return SlotOf(links_[slot + kRings].prev); }
  Slot Older(Slot slot) const noexcept { return SlotOf(links_[slot + kRings].next); }
  std::size_t Bytes() const noexcept { return links_.capacity() * sizeof(Link); }

 private:
  struct Link {
    std::uint32_t prev = 0;
    std::uint32_t next = 0;
  };

  static Slot SlotOf(std::uint32_t node) noexcept {
    return node < kRings ? kNoSlot : node - kRings;
  }
  void LinkFront(std::uint32_t after, std::uint32_t node) noexcept {
    const std::uint32_t next = links_[after].next;
    links_[node] = {after, next};
    links_[after].next = node;
    links_[next].prev = node;
  }
  void Cut(std::uint32_t node) noexcept {
    const Link link = links_[node];
    links_[link.prev].next = link.next;
    links_[link.next].prev = link.prev;
  }

  std::vector<Link> links_;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// A heap of slots by key, the least on top, in which keys can change: binary, with the place of
/// each slot beside it. Key needs operator<.
template <class Key>
class SlotHeap {
 public:
  bool Holds(Slot slot) const noexcept { return slot < places_.size() && places_[slot] != kNoSlot; }
  bool Empty() const noexcept { return heap_.empty(); }
  std::size_t Size() const noexcept { return heap_.size(); }
  /// Requires: not Empty().
  Slot Top() const noexcept { return heap_.front().slot; }
  const Key& TopKey() const noexcept { return heap_.front().key; }
  const Key& KeyOf(Slot slot) const noexcept { return heap_[places_[slot]].key; }
  /// Inserts, or changes the key.
  void Set(Slot slot, const Key& key) {
    if (slot >= places_.size()) places_.resize(slot + std::size_t{1}, kNoSlot);
    if (places_[slot] == kNoSlot) {
      places_[slot] = static_cast<Slot>(heap_.size());
      heap_.push_back({key, slot});
    } else {
      heap_[places_[slot]].key = key;
    }
    Down(Up(places_[slot]));
  }
  /// Requires: Holds(slot).
  void Erase(Slot slot) noexcept {
    const Slot place = places_[slot];
    places_[slot] = kNoSlot;
    const Cell last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    heap_[place] = last;
    places_[last.slot] = place;
    Down(Up(place));
  }
  std::size_t Bytes() const noexcept {
    return heap_.capacity() * sizeof(Cell) + places_.capacity() * sizeof(Slot);
  }

 private:
  struct Cell {
    Key key;
    Slot slot;
  };

  void Put(Slot place, const Cell& cell) noexcept {
    heap_[place] = cell;
    places_[cell.slot] = place;
  }
  Slot Up(Slot place) noexcept {
    const Cell cell = heap_[place];
    while (place > 0 && cell.key < heap_[(place - 1) / 2].key) {
      Put(place, heap_[(place - 1) / 2]);
      place = (place - 1) / 2;
    }
    Put(place, cell);
    return place;
  }
  void Down(Slot place) noexcept {
    const Cell cell = heap_[place];
    for (std::size_t child = 2 * std::size_t{place} + 1; child < heap_.size();
         child = 2 * std::size_t{place} + 1) {
      if (child + 1 < heap_.size() && heap_[child + 1].key < heap_[child].key) ++child;
      if (!(heap_[child].key < cell.key)) break;
      Put(place, heap_[child]);
      place = static_cast<Slot>(child);
    }
    Put(place, cell);
  }

  std::vector<Cell> heap_;
  std::vector<Slot> places_;
};

}  // namespace perf::cache

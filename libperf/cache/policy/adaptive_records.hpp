// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// What AdaptiveQueues knows of each slot, with the links of its two rings: 12 bytes a slot and one
/// cache line, 16 bytes once there are more than a million slots. A slot is in one ring or in none;
/// rings are closed by a sentinel each, front is where newcomers enter. Thread safety: none.
class AdaptiveRecords {
 public:
  AdaptiveRecords();

  /// Memory for so many slots at once, instead of twice as much as there ever are.
  void Reserve(std::size_t slots) {
    if (slots + kRings > kMostNarrow) Widen();
    words_.reserve((slots + kRings) * stride_);
  }
  /// Makes place for a slot; it is in no ring.
  void Grow(Slot slot);
  std::size_t Slots() const noexcept { return words_.size() / stride_ - kRings; }
  bool Holds(Slot slot) const noexcept {
    return slot < Slots() && (At(slot + kRings)[1] & link_) != link_;
  }

  /// Requires of all below: Grow(slot) came before, and whether it is in a ring is as they need.
  void PushFront(std::uint32_t ring, Slot slot) noexcept { LinkFront(ring, slot + kRings); }
  void Unlink(Slot slot) noexcept {
    Cut(slot + kRings);
    SetNext(slot + kRings, link_);
  }
  void MoveToFront(std::uint32_t ring, Slot slot) noexcept {
    const std::uint32_t node = slot + kRings;
    if (Next(ring) == node) return;
    Cut(node);
    LinkFront(ring, node);
  }
  bool Empty(std::uint32_t ring) const noexcept { return Next(ring) == ring; }
  /// kNoSlot where there is none.
  Slot Back(std::uint32_t ring) const noexcept { return SlotOf(Previous(ring)); }
  /// The neighbour nearer to the front.
  Slot Newer(Slot slot) const noexcept { return SlotOf(Previous(slot + kRings)); }

  std::uint32_t Hash(Slot slot) const noexcept { return At(slot + kRings)[2]; }
  void SetHash(Slot slot, std::uint32_t hash) noexcept { At(slot + kRings)[2] = hash; }
  std::uint16_t Time(Slot slot) const noexcept {
    const std::uint32_t* const words = At(slot + kRings);
    if (stride_ == kWide) [[unlikely]]
      return static_cast<std::uint16_t>(words[3]);
    return static_cast<std::uint16_t>((words[0] >> 20) | (words[1] >> 8 & 0xf000));
  }
  void SetTime(Slot slot, std::uint16_t time) noexcept {
    std::uint32_t* const words = At(slot + kRings);
    if (stride_ == kWide) [[unlikely]] {
      words[3] = (words[3] & 0xff0000) | time;
      return;
    }
    words[0] = (words[0] & 0xfffff) | std::uint32_t{time} << 20;
    words[1] = (words[1] & 0xff0fffff) | (time & 0xf000U) << 8;
  }
  std::uint8_t State(Slot slot) const noexcept {
    const std::uint32_t* const words = At(slot + kRings);
    if (stride_ == kWide) [[unlikely]]
      return static_cast<std::uint8_t>(words[3] >> 16);
    return static_cast<std::uint8_t>(words[1] >> 24);
  }
  void SetState(Slot slot, std::uint8_t state) noexcept {
    std::uint32_t* const words = At(slot + kRings);
    if (stride_ == kWide) [[unlikely]] {
      words[3] = (words[3] & 0xffff) | std::uint32_t{state} << 16;
      return;
    }
    words[1] = (words[1] & 0xffffff) | std::uint32_t{state} << 24;
  }
  void Prefetch(Slot slot) const noexcept { __builtin_prefetch(At(slot + kRings)); }
  std::size_t Bytes() const noexcept { return words_.capacity() * sizeof(std::uint32_t); }

 private:
  static constexpr std::uint32_t kRings = 2;
  // Narrow: previous with 12 bits of the time; next with 4 of the time, and the state; the hash.
  // Wide: previous, next, the hash, time and state.
  static constexpr std::size_t kNarrow = 3, kWide = 4;
  static constexpr std::uint32_t kMostNarrow = 0xfffff;

  static Slot SlotOf(std::uint32_t node) noexcept {
    return node < kRings ? kNoSlot : node - kRings;
  }
  std::uint32_t* At(std::uint32_t node) noexcept { return &words_[node * stride_]; }
  const std::uint32_t* At(std::uint32_t node) const noexcept { return &words_[node * stride_]; }
  std::uint32_t Previous(std::uint32_t node) const noexcept { return At(node)[0] & link_; }
  std::uint32_t Next(std::uint32_t node) const noexcept { return At(node)[1] & link_; }
  void SetPrevious(std::uint32_t node, std::uint32_t to) noexcept {
    std::uint32_t& word = At(node)[0];
    word = (word & ~link_) | to;
  }
  void SetNext(std::uint32_t node, std::uint32_t to) noexcept {
    std::uint32_t& word = At(node)[1];
    word = (word & ~link_) | to;
  }
  void LinkFront(std::uint32_t ring, std::uint32_t node) noexcept {
    const std::uint32_t next = Next(ring);
    SetPrevious(node, ring);
    SetNext(node, next);
    SetNext(ring, node);
    SetPrevious(next, node);
  }
  void Cut(std::uint32_t node) noexcept {
    const std::uint32_t previous = Previous(node), next = Next(node);
    SetNext(previous, next);
    SetPrevious(next, previous);
  }
  void Widen();

  std::vector<std::uint32_t> words_;
  std::size_t stride_ = kNarrow;
  std::uint32_t link_ = kMostNarrow;  // the bits of a link; all of them set: none
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// Ids of a trace to small numbers: open addressing with linear probing at most half full, 16 bytes
/// a cell, no tombstones. Thread safety: none.
class IdIndex {
 public:
  explicit IdIndex(std::size_t expected = 0) { Resize(std::bit_ceil(expected * 2 + 16)); }

  void Prefetch(std::uint64_t id) const noexcept { __builtin_prefetch(&cells_[Home(id)]); }
  /// kNoSlot where it is not there.
  Slot Find(std::uint64_t id) const noexcept {
    std::size_t at = Home(id);
    while (cells_[at].slot != kNoSlot && cells_[at].id != id) at = (at + 1) & mask_;
    return cells_[at].slot;
  }
  /// Requires: it is not there.
  void Insert(std::uint64_t id, Slot slot) {
    if (++count_ * 2 > cells_.size()) Grow();
    Place(id, slot);
  }
  /// Requires: it is there.
  void Erase(std::uint64_t id) noexcept {
    std::size_t hole = Home(id);
    while (cells_[hole].id != id || cells_[hole].slot == kNoSlot) hole = (hole + 1) & mask_;
    // What follows moves back where its probes would pass the hole.
    for (std::size_t at = (hole + 1) & mask_; cells_[at].slot != kNoSlot; at = (at + 1) & mask_) {
      const std::size_t home = Home(cells_[at].id);
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole].slot = kNoSlot;
    --count_;
  }
  std::size_t Count() const noexcept { return count_; }
  std::size_t Bytes() const noexcept { return cells_.capacity() * sizeof(Cell); }

 private:
  struct Cell {
    std::uint64_t id = 0;
    Slot slot = kNoSlot;
  };

  std::size_t Home(std::uint64_t id) const noexcept {
    return ((id ^ (id >> 32)) * 0x9e3779b97f4a7c15ULL) >> shift_;
  }
  void Place(std::uint64_t id, Slot slot) noexcept {
    std::size_t at = Home(id);
    while (cells_[at].slot != kNoSlot) at = (at + 1) & mask_;
    cells_[at] = {id, slot};
  }
  void Resize(std::size_t cells) {
    cells_.assign(cells, Cell{});
    mask_ = cells - 1;
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(cells));
  }
  void Grow() {
    std::vector<Cell> old;
    old.swap(cells_);
    Resize(old.size() * 2);
    for (const Cell& cell : old) {
      if (cell.slot != kNoSlot) Place(cell.id, cell.slot);
    }
  }

  std::vector<Cell> cells_;
  std::size_t mask_ = 0;
  unsigned shift_ = 0;
  std::size_t count_ = 0;
};

}  // namespace perf::cache

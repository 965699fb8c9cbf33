// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <optional>

#include "libperf/cache/policy/budget.hpp"
#include "libperf/cache/policy/rings.hpp"

namespace perf::cache {

/// Hashes of entries that went, in kRings queues by age with one index: about 28 bytes a ghost.
/// Weights are kept in 32 bits and saturate there, at least 1.
template <std::uint32_t kRings>
class Ghosts {
 public:
  struct Found {
    std::uint32_t ring = 0;
    std::uint64_t weight = 0;
  };

  Ghosts() : table_(16, kNoSlot) {}

  /// Takes a ghost out.
  std::optional<Found> Take(std::uint64_t hash) noexcept {
    const std::size_t cell = Find(hash);
    const Slot node = table_[cell];
    if (node == kNoSlot) return std::nullopt;
    const Found found{nodes_[node].ring, nodes_[node].weight};
    Erase(cell);
    return found;
  }
  bool Has(std::uint64_t hash) const noexcept { return table_[Find(hash)] != kNoSlot; }
  /// As the youngest of a ring; one that is a ghost already becomes the youngest.
  void Push(std::uint32_t ring, std::uint64_t hash, std::uint64_t weight) {
    Take(hash);
    if (count_ * 2 >= table_.size()) Rehash();
    Slot node = free_;
    if (node == kNoSlot) {
      node = static_cast<Slot>(nodes_.size());
      nodes_.emplace_back();
      rings_.Grow(node);
    } else {
      free_ = nodes_[node].ring;
    }
    const auto counted = std::clamp<std::uint64_t>(weight, 1, 0xffffffff);
    nodes_[node] = {hash, static_cast<std::uint32_t>(counted), ring};
    rings_.PushFront(ring, node);
    loads_[ring].Add(counted);
    table_[Find(hash)] = node;
    ++count_;
  }
  void PopOldest(std::uint32_t ring) noexcept {
    const Slot node = rings_.Back(ring);
    if (node != kNoSlot) Erase(Find(nodes_[node].hash));
  }
  const Load& Of(std::uint32_t ring) const noexcept { return loads_[ring]; }
  std::size_t Bytes() const noexcept {
    return nodes_.capacity() * sizeof(Node) + rings_.Bytes() + table_.capacity() * sizeof(Slot);
  }

 private:
  struct Node {
    std::uint64_t hash = 0;
    std::uint32_t weight = 0;
    std::uint32_t ring = 0;  // of a free one: the next free one
  };

  std::size_t Home(std::uint64_t hash) const noexcept { return hash & (table_.size() - 1); }
  /// The cell of a hash, or the empty one where it belongs.
  std::size_t Find(std::uint64_t hash) const noexcept {
    std::size_t cell = Home(hash);
    while (table_[cell] != kNoSlot && nodes_[table_[cell]].hash != hash) {
      cell = (cell + 1) & (table_.size() - 1);
    }
    return cell;
  }
  void Erase(std::size_t cell) noexcept {
    const Slot node = table_[cell];
    rings_.Unlink(node);
    loads_[nodes_[node].ring].Drop(nodes_[node].weight);
    nodes_[node].ring = free_;
    free_ = node;
    --count_;
    const std::size_t mask = table_.size() - 1;
    // Shifts back what follows, so that no tombstones gather.
    std::size_t hole = cell;
    for (std::size_t at = (cell + 1) & mask; table_[at] != kNoSlot; at = (at + 1) & mask) {
      const std::size_t home = Home(nodes_[table_[at]].hash);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      table_[hole] = table_[at];
      hole = at;
    }
    table_[hole] = kNoSlot;
  }
  void Rehash() {
    std::vector<Slot> old(table_.size() * 2, kNoSlot);
    old.swap(table_);
    for (const Slot node : old) {
      if (node != kNoSlot) table_[Find(nodes_[node].hash)] = node;
    }
  }

  std::vector<Node> nodes_;
  Rings<kRings> rings_;
  std::array<Load, kRings> loads_{};
  std::vector<Slot> table_;
  std::uint64_t count_ = 0;
  Slot free_ = kNoSlot;
};

}  // namespace perf::cache

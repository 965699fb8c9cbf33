// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace perf::monitor {

/// The value of every label of the series that takes what is above the bound.
inline constexpr std::string_view kOverflow = "other";
/// Names longer than this count as `other`: a label is not a place for data.
inline constexpr std::size_t kMostLabelBytes = 120;

/// Cells by two names (the second may be empty), at most so many; whatever comes later shares one
/// cell, `other`, and is counted. A table of open addressing to which entries are only added: to
/// find one takes no lock and writes nothing; to add one takes a mutex.
/// Thread safety: all methods. Lifetime: cells stay where they are as long as this lives.
template <typename Cell>
class BoundedSeries {
 public:
  struct alignas(64) Entry {
    Entry(std::string_view first_name, std::string_view second_name, std::size_t key)
        : first(first_name), second(second_name), hash(key) {}
    const std::string first, second;
    const std::size_t hash;
    Cell cell;
  };

  /// `names`: how many labels there are, 1 or 2.
  explicit BoundedSeries(std::size_t most, int names = 2)
      : most_(std::max<std::size_t>(most, 1)),
        table_(std::bit_ceil(2 * most_ + 2)),
        other_(kOverflow, names == 2 ? kOverflow : std::string_view(), 0) {}
  ~BoundedSeries() {
    for (const auto& place : table_) delete place.load(std::memory_order_relaxed);
  }
  BoundedSeries(const BoundedSeries&) = delete;
  BoundedSeries& operator=(const BoundedSeries&) = delete;

  /// No lock and no allocation where the names are known, or the bound is reached.
  Cell& Find(std::string_view first, std::string_view second = {}) {
    const std::size_t hash = HashOf(first, second);
    Entry* const found = Look(first, second, hash);
    if (found != nullptr) return found->cell;
    return Add(first, second, hash);
  }
  /// How often something went to `other`.
  std::uint64_t Overflowed() const noexcept { return overflowed_.load(std::memory_order_relaxed); }
  std::size_t Size() const noexcept { return size_.load(std::memory_order_acquire); }

  /// Calls `visit(first, second, cell)` for each entry, by name, and for `other` where it was used.
  template <typename Visit>
  void ForEach(Visit visit) const {
    std::vector<const Entry*> entries;
    for (const auto& place : table_) {
      if (const Entry* const entry = place.load(std::memory_order_acquire)) {
        entries.push_back(entry);
      }
    }
    if (Overflowed() > 0) entries.push_back(&other_);
    std::sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) {
      return a->first != b->first ? a->first < b->first : a->second < b->second;
    });
    for (const Entry* const entry : entries) visit(entry->first, entry->second, entry->cell);
  }

 private:
  static std::size_t HashOf(std::string_view first, std::string_view second) noexcept {
    const std::hash<std::string_view> hash;
    const std::size_t a = hash(first);
    return a ^ (hash(second) + 0x9e3779b97f4a7c15ULL + (a << 6) + (a >> 2));
  }
  Entry* Look(std::string_view first, std::string_view second, std::size_t hash) const noexcept {
    const std::size_t mask = table_.size() - 1;
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
      Entry* const entry = table_[at].load(std::memory_order_acquire);
      if (entry == nullptr) return nullptr;  // half of the places stay empty
      if (entry->hash == hash && entry->first == first && entry->second == second) return entry;
    }
  }
  Cell& Other() noexcept {
    overflowed_.fetch_add(1, std::memory_order_relaxed);
    return other_.cell;
  }
  Cell& Add(std::string_view first, std::string_view second, std::size_t hash) {
    const bool is_other = first == kOverflow && (second.empty() || second == kOverflow);
    if (is_other || first.size() > kMostLabelBytes || second.size() > kMostLabelBytes ||
        size_.load(std::memory_order_acquire) >= most_) {
      return Other();
    }
    const std::lock_guard lock(adding_);
    if (Entry* const found = Look(first, second, hash)) return found->cell;
    if (size_.load(std::memory_order_relaxed) >= most_) return Other();
    auto entry = std::make_unique<Entry>(first, second, hash);
    const std::size_t mask = table_.size() - 1;
    std::size_t at = hash & mask;
    while (table_[at].load(std::memory_order_relaxed) != nullptr) at = (at + 1) & mask;
    Entry* const added = entry.release();
    table_[at].store(added, std::memory_order_release);
    size_.fetch_add(1, std::memory_order_release);
    return added->cell;
  }

  const std::size_t most_;
  std::vector<std::atomic<Entry*>> table_;
  Entry other_;
  std::mutex adding_;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> overflowed_{0};
};

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libperf/base/clock.hpp"

namespace perf::cache {

/// Which generation a tag has, seen from this process.
///
/// Entries in memory refer to *slots*: a fixed table of counters that tags are hashed to, so a hit
/// compares one number a tag with no lock, and the table never grows; two tags in one slot cost a
/// miss now and then, never a stale value. Frames of the second tier refer to the tier's generation
/// of the tag itself, of which a bounded number is remembered here.
/// An invalidation first raises what is known and then the slot; who stores a value takes the slot
/// first and asks what is known then, so that one of the two sees the other.
/// Thread safety: all methods.
class Tags {
 public:
  /// `remembered`: how many generations of the tier are kept at most.
  explicit Tags(std::size_t remembered);

  static std::uint32_t SlotOf(std::string_view tag) noexcept;
  std::uint64_t Local(std::uint32_t slot) const noexcept {
    return slots_[slot].load(std::memory_order_acquire);
  }
  /// Voids what is in memory with this tag.
  void BumpLocal(std::string_view tag) noexcept {
    slots_[SlotOf(tag)].fetch_add(1, std::memory_order_acq_rel);
  }
  void BumpAll() noexcept;

  /// The tier's generation, if it was learned no earlier than `since` and nothing has been said
  /// against it.
  std::optional<std::uint64_t> Known(std::string_view tag, TimePoint since) const;
  /// The greatest that was ever learned of it and is remembered; 0 for none.
  std::uint64_t Floor(std::string_view tag) const;
  /// The tier has told it. `epoch`: Epoch() before it was asked, so that what was said against it
  /// meanwhile holds. Returns true when it is greater than what was known (and something was).
  bool Learn(std::string_view tag, std::uint64_t generation, TimePoint now, std::uint64_t epoch);
  /// A frame carries a greater one than we know: raises what is known.
  void Raise(std::string_view tag, std::uint64_t generation);
  /// It may have changed: to be asked again, the floor stays.
  void Doubt(std::string_view tag);
  void DoubtAll();
  std::uint64_t Epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }

  static constexpr std::size_t kSlots = 16384;

 private:
  struct Entry {
    std::string tag;
    std::uint64_t generation = 0;
    TimePoint learned;
    std::uint64_t doubted = 0;  ///< Epoch of the last doubt.
    bool sure = false;
  };
  using Order = std::list<Entry>;
  Entry& Find(std::string_view tag);

  const std::size_t remembered_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> slots_;
  std::atomic<std::uint64_t> epoch_{1};
  mutable std::mutex mutex_;
  std::uint64_t all_doubted_ = 0;
  std::uint64_t forgotten_doubt_ = 0;
  mutable Order order_;  ///< Used last in front.
  std::unordered_map<std::string_view, Order::iterator> index_;
};

}  // namespace perf::cache

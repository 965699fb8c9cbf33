// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

/// How many keys were used since each was used last: a Fenwick tree over the order of last uses
/// (after Bennett and Kruskal, 1975), renumbered when its places are used up, so that memory is
/// O(keys) and a use O(log keys). Keys are small numbers. Thread safety: none.
class RecencyRanks {
 public:
  static constexpr std::uint64_t kFirst = std::numeric_limits<std::uint64_t>::max();

  /// Uses a key; kFirst where it was not there.
  std::uint64_t Touch(Slot key);
  /// Requires: it is there.
  void Remove(Slot key) noexcept;
  std::uint64_t Live() const noexcept { return live_; }
  std::uint64_t Bytes() const noexcept {
    return (tree_.capacity() + owners_.capacity() + last_.capacity()) * sizeof(std::uint32_t);
  }

 private:
  void Change(std::size_t place, std::uint32_t by) noexcept;
  std::uint64_t UpTo(std::size_t place) const noexcept;
  void Renumber();

  std::vector<std::uint32_t> tree_;  // from 1
  std::vector<Slot> owners_;         // of each place, kNoSlot where none
  std::vector<std::uint32_t> last_;  // the place of each key, 0 where none
  std::size_t next_ = 1;
  std::uint64_t live_ = 0;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace perf::cache {

/// Totals that many threads add to: each thread has one of a few rows, so that a hot counter is not
/// one cache line that all cores fight for.
/// Thread safety: all methods; Sum while others add is a moment's view.
template <typename Name, std::size_t kNames>
class Tally {
 public:
  void Add(Name name, std::uint64_t count = 1) noexcept {
    rows_[Row()].cells[static_cast<std::size_t>(name)].fetch_add(count, std::memory_order_relaxed);
  }
  std::uint64_t Sum(Name name) const noexcept {
    std::uint64_t sum = 0;
    for (const auto& row : rows_) {
      sum += row.cells[static_cast<std::size_t>(name)].load(std::memory_order_relaxed);
    }
    return sum;
  }

 private:
  static constexpr std::size_t kRows = 16;
  struct alignas(128) Line {
    std::array<std::atomic<std::uint64_t>, kNames> cells{};
  };

  static std::size_t Row() noexcept {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kRows;
    return mine;
  }

  std::array<Line, kRows> rows_{};
};

}  // namespace perf::cache

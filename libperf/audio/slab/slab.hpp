// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "libperf/audio/slab/slot_pool.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// The slots of all streams: a pool for each size, made when it is first asked for, under one
/// budget that is reserved before anything is used.
/// Thread safety: all methods.
class PERF_EXPORT Slab {
 public:
  /// How much a slot may be larger than what it was asked for.
  static constexpr std::uint32_t kGrain = 32;

  explicit Slab(std::uint64_t budget_bytes) noexcept : budget_(budget_bytes) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  /// The pool of slots for so many bytes. Lifetime: the slab's. Throws: IoError when there is no
  /// address space for it.
  SlotPool& PoolFor(std::uint32_t bytes);

  /// False: the budget has no room for it.
  bool Reserve(std::uint64_t bytes) noexcept;
  void Release(std::uint64_t bytes) noexcept {
    reserved_.fetch_sub(bytes, std::memory_order_relaxed);
  }
  std::uint64_t BudgetBytes() const noexcept { return budget_; }
  std::uint64_t ReservedBytes() const noexcept { return reserved_.load(std::memory_order_relaxed); }

  /// In use or in magazines; and the memory of pages that were used and not given back.
  std::uint64_t TakenBytes() const;
  std::uint64_t ResidentBytes() const;
  /// Gives free pages back until `keep` bytes of them are left; returns how many bytes it gave.
  std::uint64_t Trim(std::uint64_t keep);

 private:
  template <typename Figure>
  std::uint64_t Sum(Figure figure) const;

  const std::uint64_t budget_;
  std::atomic<std::uint64_t> reserved_{0};
  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::unique_ptr<SlotPool>> pools_;  // by stride
};

}  // namespace perf::audio

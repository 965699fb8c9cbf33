// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <source_location>

#include "libperf/base/clock.hpp"
#include "libperf/pool/resource.hpp"

namespace perf::pool {

enum class SlotState : std::uint32_t {
  kEmpty,     // no resource
  kDialling,  // reserved by a dial
  kIdle,      // anybody may claim it
  kInUse,     // a borrower's
  kBusy,      // the pool's own: being reset, pinged, validated or about to be destroyed
};

/// One place of a pool, and the resource in it. The state word is the truth: whoever changes it
/// from kIdle owns the rest until it stores the next state.
/// Thread safety: Get, As and MarkBroken belong to the borrower; the rest is the core's.
/// Lifetime: the core's; a borrowed slot is returned to the core that lent it.
class alignas(128) Slot {  // two cache lines: the prefetcher fetches pairs
 public:
  Resource& Get() const noexcept { return *resource_; }
  /// Requires: a pool of such resources.
  template <typename T>
  T& As() const noexcept {
    return static_cast<T&>(*resource_);
  }
  /// The resource is destroyed at its return, whatever it says of itself.
  void MarkBroken() noexcept { broken_ = true; }
  TimePoint BorrowedAt() const noexcept { return Load(borrowed_at_); }

 private:
  friend class Core;
  friend class SlotTable;
  friend class IdleList;
  using Instant = std::atomic<TimePoint::rep>;
  static TimePoint Load(const Instant& at) noexcept {
    return TimePoint(Duration(at.load(std::memory_order_relaxed)));
  }
  static void Store(Instant& at, TimePoint value) noexcept {
    at.store(value.time_since_epoch().count(), std::memory_order_relaxed);
  }
  /// Only the owner of the slot counts in it, so no read-modify-write is needed.
  static void Add(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::atomic<SlotState> state_{SlotState::kEmpty};
  bool broken_ = false;
  bool pinging_ = false;     // its return is no use: it stays as old as it was
  std::uint64_t epoch_ = 0;  // of the pool when it was dialled, as in the core's word
  std::unique_ptr<Resource> resource_;
  Instant check_at_{0};     // idle until then: taken without a look
  Instant borrowed_at_{0};  // of a dial: when it began
  Instant idle_since_{0};
  Instant touched_at_{0};  // returned or pinged
  Instant dies_at_{0};
  std::atomic<std::source_location> where_{};
  std::atomic<std::uint64_t> acquired_{0};
  std::atomic<std::uint64_t> overtakes_{0};
  std::atomic<std::uint64_t> leak_reported_{0};  // the value of acquired_ it was reported for
  Slot* older_ = nullptr;                        // in the IdleList
  Slot* newer_ = nullptr;
};

}  // namespace perf::pool

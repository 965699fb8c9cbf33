// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/adaptive_records.hpp"
#include "libperf/cache/policy/adaptive_rule.hpp"
#include "libperf/cache/policy/budget.hpp"
#include "libperf/cache/policy/faint_ghosts.hpp"

namespace perf::cache {

/// A window and a main queue that follow any AdaptiveRule: 12 bytes an entry (16 beyond
/// a million), and 4 for ghosts (four for three entries). Knows entries by 32 bits of their hash.
/// Every call takes a bounded number of steps, where moves from the window and turns of the clock
/// are each paid for by a use before. Thread safety: none. The budget outlives it.
class AdaptiveQueues {
 public:
  AdaptiveQueues(Budget& budget, const AdaptiveRule& rule);

  /// From now on; what is held stays and goes by the new rule.
  void Follow(const AdaptiveRule& rule) noexcept;
  /// After the bounds of the budget have changed.
  void Fit() noexcept { Follow(rule_); }
  bool Holds(Slot slot) const noexcept { return records_.Holds(slot); }
  /// Requires: held.
  std::uint32_t HashOf(Slot slot) const noexcept { return records_.Hash(slot); }
  /// The next to be admitted: what that will look at may come near meanwhile.
  void Expect(std::uint32_t hash) const noexcept { ghosts_.Prefetch(hash); }
  /// As Policy::Next.
  Slot Next() const noexcept {
    const Slot window = records_.Back(kWindow);
    return window == kNoSlot || MainOver() ? records_.Back(kMain) : window;
  }
  void Hit(Slot slot) noexcept;
  /// Requires: not held and not heavier than the whole capacity.
  void Admit(Slot slot, std::uint32_t hash, std::uint64_t weight, std::vector<Slot>& evicted);
  void EvictOne(std::vector<Slot>& evicted);
  void Forget(Slot slot) noexcept;
  void Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept;
  std::size_t Bytes() const noexcept;

 private:
  static constexpr std::uint32_t kWindow = 0, kMain = 1;
  static constexpr std::uint8_t kInMain = 16, kCount = 15;
  static constexpr std::uint32_t kNever = 0xffffffff;
  static constexpr std::uint32_t kOldest = 3U << 14;
  static constexpr std::uint64_t kSweepEach = 32;  // uses

  std::uint32_t RingOf(Slot slot) const noexcept {
    return records_.State(slot) & kInMain ? kMain : kWindow;
  }
  std::uint16_t Now() const noexcept { return static_cast<std::uint16_t>(clock_ >> quantum_bits_); }
  std::uint32_t GhostNow() const noexcept {
    return static_cast<std::uint32_t>(clock_ >> (quantum_bits_ + ghost_bits_));
  }
  /// In quanta, at most kOldest.
  std::uint32_t Age(Slot slot) const noexcept {
    return static_cast<std::uint16_t>(Now() - records_.Time(slot));
  }
  void Tick() noexcept {
    if (++clock_ % kSweepEach == 0) Sweep();
  }
  void Sweep() noexcept;
  bool HasMain() const noexcept;
  bool MainOver() const noexcept;
  bool MainTakes(std::uint64_t weight) const noexcept;
  bool Refuses(std::uint64_t weight) const noexcept;
  bool BelongsToMain(std::uint32_t hash, std::uint64_t weight) noexcept;
  std::uint32_t MainAge() noexcept;
  void MoveTo(std::uint32_t ring, Slot slot) noexcept;
  void Promote(Slot slot) noexcept;
  void TurnClock() noexcept;
  Slot Victim() noexcept;
  void GrowTo(std::uint64_t entries);

  Budget& budget_;
  AdaptiveRule rule_;
  Limits window_share_, main_share_;
  AdaptiveRecords records_;
  Load loads_[2];
  FaintGhosts ghosts_;
  std::uint64_t clock_ = 0;         // uses and arrivals
  std::uint32_t quantum_bits_ = 0;  // entries know the time that much coarser,
  std::uint32_t ghost_bits_ = 0;    // and ghosts that much more
  std::uint64_t expected_ = 0;
  Slot swept_ = 0;
  // The clock at each sixteenth of the entries evicted, so that ghosts need not tell when they
  // went.
  std::array<std::uint64_t, 32> epochs_{};
  std::uint32_t epoch_ = 0;
  std::uint64_t epoch_evicted_ = 0;
};

}  // namespace perf::cache

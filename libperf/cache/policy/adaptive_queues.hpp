// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/adaptive_rule.hpp"
#include "libperf/cache/policy/budget.hpp"
#include "libperf/cache/policy/faint_ghosts.hpp"
#include "libperf/cache/policy/rings.hpp"

namespace perf::cache {

/// A window and a main queue that follow any AdaptiveRule: 17 bytes an entry, and 8 for ghosts (two
/// an entry). Knows entries by 32 bits of their hash. Every call takes a bounded number of steps,
/// where moves from the window and turns of the clock are each paid for by a use before. Thread
/// safety: none. The budget outlives it.
class AdaptiveQueues {
 public:
  AdaptiveQueues(Budget& budget, const AdaptiveRule& rule);

  /// From now on; what is held stays and goes by the new rule.
  void Follow(const AdaptiveRule& rule) noexcept;
  /// After the bounds of the budget have changed.
  void Fit() noexcept { Follow(rule_); }
  bool Holds(Slot slot) const noexcept { return rings_.Holds(slot); }
  /// Requires: held.
  std::uint32_t HashOf(Slot slot) const noexcept { return entries_[slot].hash; }
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

  struct Entry {
    std::uint32_t used = 0;  // of clock_
    std::uint32_t hash = 0;
  };

  std::uint32_t RingOf(Slot slot) const noexcept {
    return state_[slot] & kInMain ? kMain : kWindow;
  }
  std::uint32_t Age(Slot slot) const noexcept { return clock_ - entries_[slot].used; }
  std::uint32_t Quanta(std::uint32_t time) const noexcept { return time >> quantum_bits_; }
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
  Rings<2> rings_;
  Load loads_[2];
  std::vector<Entry> entries_;
  std::vector<std::uint8_t> state_;
  FaintGhosts ghosts_;
  std::uint32_t clock_ = 0;         // uses and arrivals
  std::uint32_t quantum_bits_ = 0;  // ghosts know the time that much coarser
  std::uint64_t expected_ = 0;
  // The clock at each sixteenth of the entries evicted, so that ghosts need not tell when they
  // went.
  std::array<std::uint32_t, 32> epochs_{};
  std::uint32_t epoch_ = 0;
  std::uint64_t epoch_evicted_ = 0;
};

}  // namespace perf::cache

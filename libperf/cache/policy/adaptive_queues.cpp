// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive_queues.hpp"

namespace perf::cache {

namespace {

constexpr std::uint64_t kGhostsPerEntry = 2;
constexpr std::uint64_t kQuantaPerEntries = 512;
constexpr int kTurnsAtOnce = 64;
constexpr int kDemotionsAtOnce = 2;
constexpr int kRepairsAtOnce = 4;

std::uint64_t Part(std::uint64_t whole, double share) {
  if (whole == 0 || share >= 1) return whole;
  const auto part = static_cast<std::uint64_t>(share * static_cast<double>(whole));
  return std::clamp<std::uint64_t>(part, 1, whole);
}

}  // namespace

AdaptiveQueues::AdaptiveQueues(Budget& budget, const AdaptiveRule& rule) : budget_(budget) {
  Follow(rule);
  GrowTo(1);
}

void AdaptiveQueues::Follow(const AdaptiveRule& rule) noexcept {
  rule_ = rule;
  const Limits& all = budget_.Bounds();
  window_share_ = {Part(all.entries, rule.window), Part(all.weight, rule.window)};
  main_share_ = {all.entries - window_share_.entries, all.weight - window_share_.weight};
}

/// Entries may be bounded by weight alone, so that their number shows only as they come.
void AdaptiveQueues::GrowTo(std::uint64_t entries) {
  if (entries <= expected_) return;
  constexpr std::uint64_t kLeast = 64;
  expected_ = std::max(kLeast, entries + entries / 2);
  if (const std::uint64_t limit = budget_.Bounds().entries; limit != 0) {
    expected_ = std::max(entries, std::min(expected_, limit));
  }
  ghosts_.Reset(expected_ * kGhostsPerEntry);
  const std::size_t slots = expected_ + 1;  // one comes before another goes
  rings_.Reserve(slots);
  entries_.reserve(slots);
  state_.reserve(slots);
  quantum_bits_ = static_cast<std::uint32_t>(
      std::bit_width(std::max<std::uint64_t>(expected_ / kQuantaPerEntries, 1)) - 1);
}

std::size_t AdaptiveQueues::Bytes() const noexcept {
  return rings_.Bytes() + entries_.capacity() * sizeof(Entry) + state_.capacity() + ghosts_.Bytes();
}

bool AdaptiveQueues::HasMain() const noexcept {
  const Limits& all = budget_.Bounds();
  return (all.entries == 0 || main_share_.entries != 0) &&
         (all.weight == 0 || main_share_.weight != 0);
}

bool AdaptiveQueues::MainOver() const noexcept {
  const Limits& all = budget_.Bounds();
  return (all.entries != 0 && loads_[kMain].entries > main_share_.entries) ||
         (all.weight != 0 && loads_[kMain].weight > main_share_.weight);
}

bool AdaptiveQueues::MainTakes(std::uint64_t weight) const noexcept {
  const Limits& all = budget_.Bounds();
  return (all.entries == 0 || loads_[kMain].entries < main_share_.entries) &&
         (all.weight == 0 || (loads_[kMain].weight <= main_share_.weight &&
                              weight <= main_share_.weight - loads_[kMain].weight));
}

/// A newcomer that outweighs the window would push proven entries out of the main queue: only one
/// that comes back may.
bool AdaptiveQueues::Refuses(std::uint64_t weight) const noexcept {
  if (budget_.Bounds().weight == 0 || rule_.mode == AdaptiveMode::kRecency) return false;
  if (!rings_.Empty(kWindow) || MainOver()) return false;
  const Load& used = budget_.Used();
  const std::uint64_t mean = used.entries != 0 ? used.weight / used.entries : 0;
  return weight > std::max(window_share_.weight, mean);
}

/// How long ago the least recent of the main queue was used. After a time in which the queue was a
/// clock its end is not the least recent: it is put in order a few steps at each look.
std::uint32_t AdaptiveQueues::MainAge() noexcept {
  for (int step = 0; step < kRepairsAtOnce; ++step) {
    const Slot back = rings_.Back(kMain);
    if (back == kNoSlot) return kNever;
    const Slot newer = rings_.Newer(back);
    if (newer == kNoSlot || Age(newer) <= Age(back)) break;
    rings_.MoveToFront(kMain, back);
  }
  return Age(rings_.Back(kMain));
}

void AdaptiveQueues::MoveTo(std::uint32_t ring, Slot slot) noexcept {
  const std::uint64_t weight = budget_.WeightOf(slot);
  rings_.Unlink(slot);
  loads_[RingOf(slot)].Drop(weight);
  state_[slot] = ring == kMain ? kInMain : 0;
  rings_.PushFront(ring, slot);
  loads_[ring].Add(weight);
}

/// From the window; by reuse the least recent of the main queue changes places with it.
void AdaptiveQueues::Promote(Slot slot) noexcept {
  MoveTo(kMain, slot);
  if (rule_.mode != AdaptiveMode::kReuse) return;
  for (int step = 0; step < kDemotionsAtOnce && MainOver(); ++step) {
    MoveTo(kWindow, rings_.Back(kMain));
  }
}

void AdaptiveQueues::Hit(Slot slot) noexcept {
  ++clock_;
  const std::uint32_t age = Age(slot);
  entries_[slot].used = clock_;
  if ((state_[slot] & kCount) < kCount) ++state_[slot];
  if (rule_.mode == AdaptiveMode::kCounts) return;
  if (RingOf(slot) == kWindow && rule_.mode == AdaptiveMode::kReuse) {
    if (MainTakes(budget_.WeightOf(slot)) || (HasMain() && age < MainAge())) return Promote(slot);
  }
  rings_.MoveToFront(RingOf(slot), slot);
}

bool AdaptiveQueues::BelongsToMain(std::uint32_t hash, std::uint64_t weight) noexcept {
  const auto ghost = ghosts_.Take(hash, Quanta(clock_));
  if (rule_.mode == AdaptiveMode::kReuse && MainTakes(weight)) return true;
  if (!ghost || !HasMain()) return false;
  const std::uint64_t age = std::uint64_t{*ghost} << quantum_bits_;
  switch (rule_.mode) {
    case AdaptiveMode::kRecency: return false;
    case AdaptiveMode::kReuse: return age < MainAge();
    case AdaptiveMode::kCounts: break;
  }
  if (rule_.remember >= epochs_.size() || epoch_ < rule_.remember) return true;
  return age <= clock_ - epochs_[(epoch_ - rule_.remember) % epochs_.size()];
}

void AdaptiveQueues::Admit(Slot slot, std::uint32_t hash, std::uint64_t weight,
                           std::vector<Slot>& evicted) {
  ++clock_;
  GrowTo(budget_.Used().entries + 1);
  const bool main = BelongsToMain(hash, weight);
  while (!budget_.Fits(weight)) {
    if (!main && Refuses(weight)) {
      ghosts_.Put(hash, Quanta(clock_), Quanta(clock_));
      evicted.push_back(slot);
      return;
    }
    EvictOne(evicted);
  }
  rings_.Grow(slot);
  if (slot >= state_.size()) {
    state_.resize(slot + std::size_t{1});
    entries_.resize(slot + std::size_t{1});
  }
  state_[slot] = 0;
  entries_[slot] = {clock_, hash};
  rings_.PushFront(kWindow, slot);
  loads_[kWindow].Add(budget_.Add(slot, weight));
  if (main) Promote(slot);
}

/// Those in use go round once more for each count. Bounded: then the one at the end goes anyway.
void AdaptiveQueues::TurnClock() noexcept {
  for (int turn = 0; turn < kTurnsAtOnce; ++turn) {
    const Slot back = rings_.Back(kMain);
    const auto count = std::min<std::uint8_t>(state_[back] & kCount, rule_.count_max);
    if (count == 0) return;
    state_[back] = static_cast<std::uint8_t>(kInMain | (count - 1));
    rings_.MoveToFront(kMain, back);
  }
}

Slot AdaptiveQueues::Victim() noexcept {
  const Slot main = rings_.Back(kMain);
  while (true) {
    const Slot window = rings_.Back(kWindow);
    if (rule_.mode == AdaptiveMode::kRecency) {
      if (window == kNoSlot) return main;
      return main != kNoSlot && Age(main) > Age(window) ? main : window;
    }
    if (window == kNoSlot || MainOver()) {
      if (rule_.mode == AdaptiveMode::kCounts) TurnClock();
      return rings_.Back(kMain);
    }
    const bool stays = rule_.mode == AdaptiveMode::kCounts &&
                       (state_[window] & kCount) >= rule_.promote_at && HasMain();
    if (!stays) return window;
    Promote(window);
  }
}

void AdaptiveQueues::EvictOne(std::vector<Slot>& evicted) {
  const Slot victim = Victim();
  if (++epoch_evicted_ * 16 >= expected_) {
    epoch_evicted_ = 0;
    epochs_[++epoch_ % epochs_.size()] = clock_;
  }
  ghosts_.Put(entries_[victim].hash, Quanta(entries_[victim].used), Quanta(clock_));
  Forget(victim);
  evicted.push_back(victim);
}

void AdaptiveQueues::Forget(Slot slot) noexcept {
  rings_.Unlink(slot);
  loads_[RingOf(slot)].Drop(budget_.Drop(slot));
}

void AdaptiveQueues::Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept {
  loads_[RingOf(slot)].weight += to - from;
}

}  // namespace perf::cache

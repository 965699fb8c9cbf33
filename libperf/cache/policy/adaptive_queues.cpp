// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive_queues.hpp"

namespace perf::cache {

namespace {

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
  constexpr std::uint64_t kLeast = 64, kAtOnce = 1 << 20;
  expected_ = std::max(kLeast, entries + entries / 2);
  if (const std::uint64_t limit = budget_.Bounds().entries; limit != 0) {
    // Memory that is not touched yet costs nothing, and growing would leave holes.
    if (limit <= kAtOnce) expected_ = limit;
    expected_ = std::max(entries, std::min(expected_, limit));
  }
  ghosts_.Reset(expected_ + expected_ / 3);
  const std::size_t slots = expected_ + 1;  // one comes before another goes
  records_.Reserve(slots);
  const auto bits = static_cast<std::uint32_t>(
      std::bit_width(std::max<std::uint64_t>(expected_ / kQuantaPerEntries, 1)) - 1);
  if (bits == quantum_bits_) return;
  const std::uint16_t then = Now();
  const std::uint32_t finer = bits > quantum_bits_ ? bits - quantum_bits_ : 0;
  quantum_bits_ = bits;
  ghost_bits_ = bits != 0 ? 1 : 0;
  for (Slot slot = 0; slot < records_.Slots(); ++slot) {
    const auto age = static_cast<std::uint16_t>(then - records_.Time(slot));
    records_.SetTime(slot, static_cast<std::uint16_t>(Now() - (age >> finer)));
  }
}

/// Time has 16 bits: whoever idles is kept from growing young when it comes round. Fast enough for
/// that.
void AdaptiveQueues::Sweep() noexcept {
  const std::size_t slots = records_.Slots();
  for (std::size_t count = 4 * (1 + slots / expected_); count > 0; --count) {
    if (swept_ >= slots) swept_ = 0;
    if (swept_ >= slots) break;
    if (Age(swept_) > kOldest) {
      records_.SetTime(swept_, static_cast<std::uint16_t>(Now() - kOldest));
    }
    ++swept_;
  }
  for (int bucket = 0; bucket < 2; ++bucket) ghosts_.Sweep(GhostNow());
}

std::size_t AdaptiveQueues::Bytes() const noexcept { return records_.Bytes() + ghosts_.Bytes(); }

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
  if (!records_.Empty(kWindow) || MainOver()) return false;
  const Load& used = budget_.Used();
  const std::uint64_t mean = used.entries != 0 ? used.weight / used.entries : 0;
  return weight > std::max(window_share_.weight, mean);
}

/// How long ago the least recent of the main queue was used. After a time in which the queue was a
/// clock its end is not the least recent: it is put in order a few steps at each look.
std::uint32_t AdaptiveQueues::MainAge() noexcept {
  for (int step = 0; step < kRepairsAtOnce; ++step) {
    const Slot back = records_.Back(kMain);
    if (back == kNoSlot) return kNever;
    const Slot newer = records_.Newer(back);
    if (newer == kNoSlot || Age(newer) <= Age(back)) break;
    records_.MoveToFront(kMain, back);
  }
  return Age(records_.Back(kMain));
}

void AdaptiveQueues::MoveTo(std::uint32_t ring, Slot slot) noexcept {
  const std::uint64_t weight = budget_.WeightOf(slot);
  records_.Unlink(slot);
  loads_[RingOf(slot)].Drop(weight);
  records_.SetState(slot, ring == kMain ? kInMain : 0);
  records_.PushFront(ring, slot);
  loads_[ring].Add(weight);
}

/// From the window; by reuse the least recent of the main queue changes places with it.
void AdaptiveQueues::Promote(Slot slot) noexcept {
  MoveTo(kMain, slot);
  if (rule_.mode != AdaptiveMode::kReuse) return;
  for (int step = 0; step < kDemotionsAtOnce && MainOver(); ++step) {
    MoveTo(kWindow, records_.Back(kMain));
  }
}

void AdaptiveQueues::Hit(Slot slot) noexcept {
  Tick();
  const std::uint32_t age = Age(slot);
  const std::uint8_t state = records_.State(slot);
  records_.SetTime(slot, Now());
  if ((state & kCount) < kCount) records_.SetState(slot, state + 1);
  if (rule_.mode == AdaptiveMode::kCounts) return;
  if (RingOf(slot) == kWindow && rule_.mode == AdaptiveMode::kReuse) {
    if (MainTakes(budget_.WeightOf(slot)) || (HasMain() && age < MainAge())) return Promote(slot);
  }
  records_.MoveToFront(RingOf(slot), slot);
}

bool AdaptiveQueues::BelongsToMain(std::uint32_t hash, std::uint64_t weight) noexcept {
  const auto ghost = ghosts_.Take(hash, GhostNow());
  if (rule_.mode == AdaptiveMode::kReuse && MainTakes(weight)) return true;
  if (!ghost || !HasMain()) return false;
  const bool ancient = *ghost >= FaintGhosts::kOldest;
  switch (rule_.mode) {
    case AdaptiveMode::kRecency: return false;
    case AdaptiveMode::kReuse: return !ancient && *ghost << ghost_bits_ < MainAge();
    case AdaptiveMode::kCounts: break;
  }
  if (rule_.remember >= epochs_.size() || epoch_ < rule_.remember) return true;
  return std::uint64_t{*ghost} << (quantum_bits_ + ghost_bits_) <=
         clock_ - epochs_[(epoch_ - rule_.remember) % epochs_.size()];
}

void AdaptiveQueues::Admit(Slot slot, std::uint32_t hash, std::uint64_t weight,
                           std::vector<Slot>& evicted) {
  Tick();
  GrowTo(budget_.Used().entries + 1);
  const bool main = BelongsToMain(hash, weight);
  while (!budget_.Fits(weight)) {
    if (!main && Refuses(weight)) {
      ghosts_.Put(hash, GhostNow(), GhostNow());
      evicted.push_back(slot);
      return;
    }
    EvictOne(evicted);
  }
  records_.Grow(slot);
  records_.SetState(slot, 0);
  records_.SetHash(slot, hash);
  records_.SetTime(slot, Now());
  records_.PushFront(kWindow, slot);
  loads_[kWindow].Add(budget_.Add(slot, weight));
  if (main) Promote(slot);
}

/// Those in use go round once more for each count. Bounded: then the one at the end goes anyway.
void AdaptiveQueues::TurnClock() noexcept {
  for (int turn = 0; turn < kTurnsAtOnce; ++turn) {
    const Slot back = records_.Back(kMain);
    const auto count = std::min<std::uint8_t>(records_.State(back) & kCount, rule_.count_max);
    if (count == 0) return;
    records_.SetState(back, static_cast<std::uint8_t>(kInMain | (count - 1)));
    records_.MoveToFront(kMain, back);
  }
}

Slot AdaptiveQueues::Victim() noexcept {
  const Slot main = records_.Back(kMain);
  while (true) {
    const Slot window = records_.Back(kWindow);
    if (rule_.mode == AdaptiveMode::kRecency) {
      if (window == kNoSlot) return main;
      return main != kNoSlot && Age(main) > Age(window) ? main : window;
    }
    if (window == kNoSlot || MainOver()) {
      if (rule_.mode == AdaptiveMode::kCounts) TurnClock();
      return records_.Back(kMain);
    }
    const bool stays = rule_.mode == AdaptiveMode::kCounts &&
                       (records_.State(window) & kCount) >= rule_.promote_at && HasMain();
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
  const std::uint32_t age = std::min(Age(victim) >> ghost_bits_, FaintGhosts::kOldest);
  ghosts_.Put(records_.Hash(victim), GhostNow() - age, GhostNow());
  Forget(victim);
  evicted.push_back(victim);
}

void AdaptiveQueues::Forget(Slot slot) noexcept {
  records_.Unlink(slot);
  loads_[RingOf(slot)].Drop(budget_.Drop(slot));
}

void AdaptiveQueues::Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept {
  loads_[RingOf(slot)].weight += to - from;
}

}  // namespace perf::cache

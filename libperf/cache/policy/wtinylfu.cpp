// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/wtinylfu.hpp"

namespace perf::cache {

namespace {

std::uint64_t Part(std::uint64_t whole, double share) {
  const auto part = static_cast<std::uint64_t>(share * static_cast<double>(whole));
  return whole == 0 ? 0 : std::clamp<std::uint64_t>(part, 1, whole);
}

Limits PartOf(const Limits& whole, double share) {
  return {Part(whole.entries, share), Part(whole.weight, share)};
}

}  // namespace

WTinyLfu::WTinyLfu(Limits limits)
    : PolicyOf(limits),
      window_(PartOf(limits, 0.01)),
      main_{limits.entries - window_.entries, limits.weight - window_.weight},
      protected_(PartOf(main_, 0.8)),
      sketch_(limits.entries != 0 && limits.entries < 1024 ? limits.entries : 1024) {
  // A bound by entries is known to be reached; a bound by weight shows as the cache fills.
  if (limits.entries != 0 && limits.weight == 0) sketch_.Fit(limits.entries);
}

std::size_t WTinyLfu::MetadataBytes() const noexcept {
  return rings_.Bytes() + ring_.capacity() + hashes_.capacity() * sizeof(std::uint64_t) +
         sketch_.Bytes() + budget_.Bytes();
}

void WTinyLfu::Move(Slot slot, std::uint32_t ring) noexcept {
  const std::uint64_t weight = budget_.WeightOf(slot);
  rings_.Unlink(slot);
  loads_[ring_[slot]].Drop(weight);
  ring_[slot] = static_cast<std::uint8_t>(ring);
  rings_.PushFront(ring, slot);
  loads_[ring].Add(weight);
}

void WTinyLfu::OnHit(Slot slot) noexcept {
  if (!rings_.Holds(slot)) return;
  sketch_.Add(hashes_[slot]);
  if (ring_[slot] != kProbation) return rings_.MoveToFront(ring_[slot], slot);
  Move(slot, kProtected);
  while (loads_[kProtected].Over(protected_)) Move(rings_.Back(kProtected), kProbation);
}

void WTinyLfu::Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
  const std::uint64_t most = budget_.Bounds().entries;
  const std::uint64_t held = budget_.Used().entries + 1;
  sketch_.Fit(most == 0 ? held : std::min(held, most));
  sketch_.Add(arrival.hash);
  rings_.Grow(slot);
  if (slot >= ring_.size()) {
    ring_.resize(slot + std::size_t{1});
    hashes_.resize(slot + std::size_t{1});
  }
  hashes_[slot] = arrival.hash;
  while (!rings_.Empty(kWindow) && !Fits(loads_[kWindow], window_, arrival.weight)) {
    DrainOne(evicted);
  }
  // Heavier than the whole window: it competes at once.
  const bool through = !Fits(loads_[kWindow], window_, arrival.weight);
  if (through && !Compete(arrival.hash, arrival.weight, evicted)) {
    evicted.push_back(slot);
    return;
  }
  while (!budget_.Fits(arrival.weight)) EvictOne(evicted);  // where an update has taken the room
  ring_[slot] = through ? kProbation : kWindow;
  rings_.PushFront(ring_[slot], slot);
  loads_[ring_[slot]].Add(budget_.Add(slot, arrival.weight));
}

/// Whether a segment has room within its share; a share is a bound only where the capacity has it.
bool WTinyLfu::Fits(const Load& load, const Limits& share, std::uint64_t weight) const noexcept {
  const Limits& all = budget_.Bounds();
  const std::uint64_t counted = std::max<std::uint64_t>(weight, 1);
  return (all.entries == 0 || load.entries < share.entries) &&
         (all.weight == 0 || (counted <= share.weight && load.weight <= share.weight - counted));
}

/// The oldest of the window enters the main part or goes.
void WTinyLfu::DrainOne(std::vector<Slot>& evicted) {
  const Slot slot = rings_.Back(kWindow);
  if (Compete(hashes_[slot], budget_.WeightOf(slot), evicted)) {
    Move(slot, kProbation);
  } else {
    Evict(slot, evicted);
  }
}

/// Makes room in the main part from entries that were used less often; false where one was not.
bool WTinyLfu::Compete(std::uint64_t hash, std::uint64_t weight, std::vector<Slot>& evicted) {
  const std::uint32_t count = sketch_.Count(hash);
  while (true) {
    const Load main{loads_[kProbation].entries + loads_[kProtected].entries,
                    loads_[kProbation].weight + loads_[kProtected].weight};
    if (Fits(main, main_, weight)) return true;
    if (main.entries == 0) return false;
    const Slot victim = rings_.Back(rings_.Empty(kProbation) ? kProtected : kProbation);
    if (count <= sketch_.Count(hashes_[victim])) return false;
    Evict(victim, evicted);
  }
}

void WTinyLfu::EvictOne(std::vector<Slot>& evicted) {
  const std::uint32_t ring = !rings_.Empty(kProbation)   ? kProbation
                             : !rings_.Empty(kProtected) ? kProtected
                                                         : kWindow;
  Evict(rings_.Back(ring), evicted);
}

void WTinyLfu::Evict(Slot slot, std::vector<Slot>& evicted) {
  Forget(slot);
  evicted.push_back(slot);
}

void WTinyLfu::Forget(Slot slot) noexcept {
  rings_.Unlink(slot);
  loads_[ring_[slot]].Drop(budget_.Drop(slot));
}

void WTinyLfu::Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept {
  loads_[ring_[slot]].weight += to - from;
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive_contest.hpp"

#include <cmath>

namespace perf::cache {

namespace {

constexpr double kMemory = 4;      // of so many times the entries of a shadow in requests
constexpr double kDeviations = 2;  // before a difference is believed,
constexpr double kLead = 3;        // and hits
// What a cache holds when it changes its rule may keep it from ever becoming what its shadow is,
// which followed that rule from the start. After so many samples of time for it
constexpr std::uint64_t kGrace = 2;
// what it falls short of its shadow by more than this share is held against the rule,
constexpr double kTolerance = 0.03;
// and so much longer than all else after the rule has been left.
constexpr double kGrudge = 8;
constexpr std::uint32_t kLookEach = 8;  // requests
constexpr double kLargeUnit = 1e30;

/// All of a small cache; the error of a sample falls with its own size, hardly with the cache's.
std::uint64_t SampleOf(std::uint64_t entries) {
  constexpr std::uint64_t kMost = 1024;
  return std::min(entries, kMost);
}

/// 0 stays 0, which is unbounded.
std::uint64_t Scaled(std::uint64_t limit, double ratio) {
  if (limit == 0) return 0;
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(ratio * static_cast<double>(limit)));
}

}  // namespace

AdaptiveShadow::AdaptiveShadow(const Limits& limits, const AdaptiveRule& rule)
    : budget_(limits), queues_(budget_, rule), table_(16, kNoSlot) {}

bool AdaptiveShadow::Access(std::uint32_t hash, std::uint64_t weight) {
  const std::size_t cell = Find(hash);
  const Slot slot = table_[cell];
  if (slot == kNoSlot) {
    Put(hash, weight);
    return false;
  }
  if (budget_.Bounds().weight != 0 &&
      budget_.WeightOf(slot) != std::max<std::uint64_t>(weight, 1)) {
    Free(cell);
    Put(hash, weight);
  } else {
    queues_.Hit(slot);
  }
  return true;
}

void AdaptiveShadow::Put(std::uint32_t hash, std::uint64_t weight) {
  if (budget_.Heavy(weight)) return;
  if ((budget_.Used().entries + 2) * 4 > table_.size() * 3) Rehash();
  Slot slot = slots_;
  if (free_.empty()) {
    ++slots_;
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  // Found by its hash even if it goes at once.
  evicted_.clear();
  queues_.Admit(slot, hash, weight, evicted_);
  bool admitted = true;
  for (const Slot gone : evicted_) {
    if (gone == slot) {
      admitted = false;
      free_.push_back(gone);
    } else {
      Free(Find(queues_.HashOf(gone)));
    }
  }
  if (admitted) table_[Find(hash)] = slot;
}

void AdaptiveShadow::Resize(const Limits& limits) noexcept {
  budget_.Rebound(limits);
  queues_.Fit();
}

void AdaptiveShadow::Remove(std::uint32_t hash) noexcept {
  const std::size_t cell = Find(hash);
  if (table_[cell] != kNoSlot) Free(cell);
}

std::size_t AdaptiveShadow::Find(std::uint32_t hash) const noexcept {
  std::size_t cell = Home(hash);
  while (table_[cell] != kNoSlot && queues_.HashOf(table_[cell]) != hash) {
    cell = (cell + 1) & (table_.size() - 1);
  }
  return cell;
}

/// What follows moves back, so that no tombstones gather.
void AdaptiveShadow::Free(std::size_t cell) noexcept {
  const Slot slot = table_[cell];
  if (queues_.Holds(slot)) queues_.Forget(slot);
  free_.push_back(slot);
  const std::size_t mask = table_.size() - 1;
  std::size_t hole = cell;
  for (std::size_t at = (cell + 1) & mask; table_[at] != kNoSlot; at = (at + 1) & mask) {
    const std::size_t home = Home(queues_.HashOf(table_[at]));
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    table_[hole] = table_[at];
    hole = at;
  }
  table_[hole] = kNoSlot;
}

void AdaptiveShadow::Rehash() {
  std::vector<Slot> old(table_.size() * 2, kNoSlot);
  old.swap(table_);
  for (const Slot slot : old) {
    if (slot != kNoSlot) table_[Find(queues_.HashOf(slot))] = slot;
  }
}

std::size_t AdaptiveShadow::Bytes() const noexcept {
  return sizeof(*this) + budget_.Bytes() + queues_.Bytes() +
         (table_.capacity() + free_.capacity() + evicted_.capacity()) * sizeof(Slot);
}

AdaptiveContest::AdaptiveContest(const Limits& whole, std::uint64_t entries, bool tracks)
    : whole_(whole),
      limits_(whole),
      entries_(entries),
      sample_(SampleOf(entries)),
      tracks_(tracks) {
  const double ratio = static_cast<double>(sample_) / static_cast<double>(entries);
  threshold_ = static_cast<std::uint64_t>(ratio * 4294967296.0);
  fade_ = 1 - 1 / (kMemory * static_cast<double>(sample_));
  slow_fade_ = 1 - kLookEach / (kLookEach + kGrudge * kMemory * static_cast<double>(sample_));
  if (sample_ != entries) limits_ = {Scaled(whole.entries, ratio), Scaled(whole.weight, ratio)};
  for (std::size_t rule = 0; rule < kAdaptiveRules.size(); ++rule) {
    entrants_[rule].shadow = std::make_unique<AdaptiveShadow>(limits_, kAdaptiveRules[rule]);
  }
}

void AdaptiveContest::Fit(const Load& held) noexcept {
  if (!tracks_ || sample_ == entries_ || tracked_.entries < sample_ / 4) return;
  constexpr std::uint64_t kSteps = 128;  // finer than the error that remains
  const auto near = [](std::uint64_t now, std::uint64_t then) {
    return (now > then ? now - then : then - now) <= then / kSteps;
  };
  const auto share = [](std::uint64_t part, std::uint64_t all) {
    return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
  };
  const Limits limits{Scaled(whole_.entries, share(tracked_.entries, held.entries)),
                      Scaled(whole_.weight, share(tracked_.weight, held.weight))};
  if (near(limits.entries, limits_.entries) && near(limits.weight, limits_.weight)) return;
  limits_ = limits;
  for (Entrant& entrant : entrants_) entrant.shadow->Resize(limits);
}

double AdaptiveContest::Score(const Entrant& entrant) const noexcept {
  if (entrant.judged * 4 < static_cast<double>(sample_)) return entrant.hits;
  const double shortfall = entrant.short_of / entrant.judged;
  return entrant.hits - std::max(0.0, shortfall - kTolerance) * requests_;
}

std::size_t AdaptiveContest::Learn(std::uint32_t hash, std::uint64_t weight, bool hit,
                                   std::size_t followed) {
  if (!Sampled(hash)) return followed;
  std::uint32_t hits = 0;
  for (std::size_t rule = 0; rule < entrants_.size(); ++rule) {
    hits |= std::uint32_t{entrants_[rule].shadow->Access(hash, weight)} << rule;
  }
  const bool own = (hits >> followed & 1) != 0;
  Count(hits, own);
  if (++since_change_ > kGrace * sample_) Judge(entrants_[followed], own, hit);
  return ++since_look_ < kLookEach ? followed : Best(followed);
}

void AdaptiveContest::Count(std::uint32_t hits, bool own) noexcept {
  unit_ /= fade_;
  requests_ += unit_;
  const std::uint32_t unlike = own ? ~hits : hits;
  for (std::size_t rule = 0; rule < entrants_.size(); ++rule) {
    entrants_[rule].hits += (hits >> rule & 1) != 0 ? unit_ : 0;
    entrants_[rule].unlike += (unlike >> rule & 1) != 0 ? unit_ : 0;
  }
  if (unit_ > kLargeUnit) Renormalize();
}

void AdaptiveContest::Renormalize() noexcept {
  requests_ /= unit_;
  for (Entrant& entrant : entrants_) {
    entrant.hits /= unit_;
    entrant.unlike /= unit_;
  }
  unit_ = 1;
}

void AdaptiveContest::Judge(Entrant& followed, bool own, bool hit) noexcept {
  followed.short_of = followed.short_of * fade_ + (own ? 1 : 0) - (hit ? 1 : 0);
  followed.judged = followed.judged * fade_ + 1;
}

std::size_t AdaptiveContest::Best(std::size_t followed) noexcept {
  since_look_ = 0;
  std::size_t best = followed;
  std::array<double, kAdaptiveRules.size()> scores;
  for (std::size_t rule = 0; rule < entrants_.size(); ++rule) {
    entrants_[rule].short_of *= slow_fade_;
    scores[rule] = Score(entrants_[rule]);
  }
  for (std::size_t rule = 0; rule < entrants_.size(); ++rule) {
    if (scores[rule] > scores[best]) best = rule;
  }
  if (best == followed) return followed;
  const double lead = (scores[best] - scores[followed]) / unit_;
  if (lead <= kLead + kDeviations * std::sqrt(entrants_[best].unlike / unit_)) return followed;
  for (Entrant& entrant : entrants_) entrant.unlike = 0;
  since_change_ = 0;
  return best;
}

void AdaptiveContest::Remove(std::uint32_t hash) noexcept {
  if (!Sampled(hash)) return;
  for (Entrant& entrant : entrants_) entrant.shadow->Remove(hash);
}

std::size_t AdaptiveContest::Bytes() const noexcept {
  std::size_t bytes = sizeof(*this);
  for (const Entrant& entrant : entrants_) bytes += entrant.shadow->Bytes();
  return bytes;
}

}  // namespace perf::cache

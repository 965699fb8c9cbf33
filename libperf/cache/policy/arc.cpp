// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/arc.hpp"

namespace perf::cache {

namespace {
constexpr std::uint64_t kNeverWraps = std::numeric_limits<std::uint64_t>::max();
}

std::size_t Arc::MetadataBytes() const noexcept {
  return rings_.Bytes() + ring_.capacity() + hashes_.capacity() * sizeof(std::uint64_t) +
         ghosts_.Bytes() + budget_.Bytes();
}

/// In the unit of the bound that shapes the lists: weight where there is one.
std::uint64_t Arc::Size(const Load& load) const noexcept {
  return budget_.Bounds().weight != 0 ? load.weight : load.entries;
}

std::uint64_t Arc::Capacity1() const noexcept {
  return budget_.Bounds().weight != 0 ? budget_.Bounds().weight : budget_.Bounds().entries;
}

void Arc::OnHit(Slot slot) noexcept {
  if (!rings_.Holds(slot)) return;
  if (ring_[slot] == kOften) return rings_.MoveToFront(kOften, slot);
  const std::uint64_t weight = budget_.WeightOf(slot);
  rings_.Unlink(slot);
  loads_[kOnce].Drop(weight);
  ring_[slot] = kOften;
  rings_.PushFront(kOften, slot);
  loads_[kOften].Add(weight);
}

void Arc::Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) {
  // With the ghost itself among them, as the figure has it.
  const Load once = ghosts_.Of(kOnce), often = ghosts_.Of(kOften);
  const auto found = ghosts_.Take(arrival.hash);
  if (found) {
    Adapt(*found, once, often);
    while (!budget_.Fits(arrival.weight)) Replace(found->ring == kOften, evicted);
  } else {
    MakeRoomForNew(arrival.weight, evicted);
  }
  rings_.Grow(slot);
  if (slot >= ring_.size()) {
    ring_.resize(slot + std::size_t{1});
    hashes_.resize(slot + std::size_t{1});
  }
  ring_[slot] = found ? kOften : kOnce;
  hashes_[slot] = arrival.hash;
  rings_.PushFront(ring_[slot], slot);
  loads_[ring_[slot]].Add(budget_.Add(slot, arrival.weight));
  TrimGhosts();
}

void Arc::Adapt(const Ghosts<2>::Found& found, const Load& once, const Load& often) noexcept {
  const auto b1 = static_cast<double>(Size(once)), b2 = static_cast<double>(Size(often));
  const double unit = budget_.Bounds().weight != 0 ? static_cast<double>(found.weight) : 1.0;
  if (found.ring == kOnce) {
    target_ = std::min(static_cast<double>(Capacity1()), target_ + unit * std::max(b2 / b1, 1.0));
  } else {
    target_ = std::max(0.0, target_ - unit * std::max(b1 / b2, 1.0));
  }
}

/// Case IV: a key that is in no list. L1 = T1 and B1 stays within the capacity, all four within
/// twice.
void Arc::MakeRoomForNew(std::uint64_t weight, std::vector<Slot>& evicted) {
  const std::uint64_t one = budget_.Bounds().weight != 0 ? std::max<std::uint64_t>(weight, 1) : 1;
  const std::uint64_t room = Capacity1() - one;  // it is not too heavy
  while (ghosts_.Of(kOnce).entries > 0 &&
         (Size(loads_[kOnce]) > room || Size(ghosts_.Of(kOnce)) > room - Size(loads_[kOnce]))) {
    ghosts_.PopOldest(kOnce);
  }
  while (Size(loads_[kOnce]) > room) {  // T1 alone fills it: its oldest goes without a ghost
    const Slot slot = rings_.Back(kOnce);
    Forget(slot);
    evicted.push_back(slot);
  }
  while (!budget_.Fits(weight)) Replace(false, evicted);
}

void Arc::Replace(bool was_often, std::vector<Slot>& evicted) {
  const auto t1 = static_cast<double>(Size(loads_[kOnce]));
  bool from_once = !rings_.Empty(kOnce) && (t1 > target_ || (was_often && t1 == target_));
  if (rings_.Empty(kOften)) from_once = true;  // after removals
  const std::uint32_t ring = from_once ? kOnce : kOften;
  const Slot slot = rings_.Back(ring);
  const std::uint64_t weight = budget_.WeightOf(slot);
  Forget(slot);
  evicted.push_back(slot);
  ghosts_.Push(ring, hashes_[slot], weight);
}

void Arc::TrimGhosts() noexcept {
  const std::uint64_t capacity = Capacity1();
  const std::uint64_t free = capacity - Size(budget_.Used());
  const std::uint64_t room = free > kNeverWraps - capacity ? kNeverWraps : capacity + free;
  const auto over = [&] {
    const std::uint64_t ghosts = Size(ghosts_.Of(kOnce)) + Size(ghosts_.Of(kOften));
    const std::uint64_t count = ghosts_.Of(kOnce).entries + ghosts_.Of(kOften).entries;
    const std::uint64_t most = budget_.Bounds().entries;
    return ghosts > room || (most != 0 && count > 2 * most);
  };
  while (over()) ghosts_.PopOldest(ghosts_.Of(kOften).entries > 0 ? kOften : kOnce);
}

void Arc::Forget(Slot slot) noexcept {
  rings_.Unlink(slot);
  loads_[ring_[slot]].Drop(budget_.Drop(slot));
}

void Arc::Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept {
  loads_[ring_[slot]].weight += to - from;
}

}  // namespace perf::cache

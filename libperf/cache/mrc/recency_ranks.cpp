// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/mrc/recency_ranks.hpp"

#include <algorithm>

#include "libperf/base/error.hpp"

namespace perf::cache {

std::uint64_t RecencyRanks::Touch(Slot key) {
  if (key >= last_.size()) last_.resize(key + std::size_t{1});
  std::uint64_t rank = kFirst;
  if (const std::uint32_t place = last_[key]; place != 0) {
    rank = live_ - UpTo(place);
    if (rank == 0) return 0;  // it is the last one already
    Remove(key);
  }
  if (next_ >= tree_.size()) Renumber();
  last_[key] = static_cast<std::uint32_t>(next_);
  owners_[next_] = key;
  Change(next_++, 1);
  ++live_;
  return rank;
}

void RecencyRanks::Remove(Slot key) noexcept {
  const std::uint32_t place = last_[key];
  owners_[place] = kNoSlot;
  last_[key] = 0;
  Change(place, static_cast<std::uint32_t>(-1));
  --live_;
}

void RecencyRanks::Change(std::size_t place, std::uint32_t by) noexcept {
  for (; place < tree_.size(); place += place & (~place + 1)) tree_[place] += by;
}

std::uint64_t RecencyRanks::UpTo(std::size_t place) const noexcept {
  std::uint64_t sum = 0;
  for (; place > 0; place &= place - 1) sum += tree_[place];
  return sum;
}

/// The living ones move to the first places in their order; as many again are free.
void RecencyRanks::Renumber() {
  const std::uint64_t places = std::max<std::uint64_t>(1024, 2 * live_ + 2);
  if (places >= kNoSlot) throw ConfigError("more distinct keys than can be ranked: 2,147,483,646");
  std::vector<Slot> owners(places, kNoSlot);
  next_ = 1;
  for (const Slot key : owners_) {
    if (key == kNoSlot) continue;
    owners[next_] = key;
    last_[key] = static_cast<std::uint32_t>(next_++);
  }
  owners_.swap(owners);
  tree_.assign(places, 0);
  // Each place passes its sum on to the next that covers it: linear.
  for (std::size_t place = 1; place < places; ++place) {
    tree_[place] += place < next_ ? 1 : 0;
    const std::size_t above = place + (place & (~place + 1));
    if (above < places) tree_[above] += tree_[place];
  }
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "libperf/cache/mrc.hpp"
#include "libperf/cache/mrc/recency_ranks.hpp"
#include "libperf/cache/sim/id_index.hpp"

namespace perf::cache {

struct StackDistances::State {
  IdIndex index;
  RecencyRanks ranks;
  std::vector<std::uint64_t> counts;  // of each distance
  std::uint64_t requests = 0;
};

StackDistances::StackDistances() : state_(std::make_unique<State>()) {}
StackDistances::~StackDistances() = default;

std::uint64_t StackDistances::Add(std::uint64_t id) {
  State& state = *state_;
  ++state.requests;
  Slot key = state.index.Find(id);
  if (key == kNoSlot) {
    key = static_cast<Slot>(state.index.Count());
    state.index.Insert(id, key);
  }
  const std::uint64_t distance = state.ranks.Touch(key);
  if (distance == RecencyRanks::kFirst) return distance;
  if (distance >= state.counts.size()) state.counts.resize(distance + 1);
  ++state.counts[distance];
  return distance;
}

std::uint64_t StackDistances::Hits(std::uint64_t entries) const noexcept {
  const auto& counts = state_->counts;
  const auto end =
      counts.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(entries, counts.size()));
  return std::accumulate(counts.begin(), end, std::uint64_t{0});
}

std::uint64_t StackDistances::Requests() const noexcept { return state_->requests; }
std::uint64_t StackDistances::Distinct() const noexcept { return state_->index.Count(); }
std::uint64_t StackDistances::MemoryBytes() const noexcept {
  return state_->index.Bytes() + state_->ranks.Bytes() +
         state_->counts.capacity() * sizeof(std::uint64_t);
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>

#include "libperf/base/error.hpp"
#include "libperf/cache/mrc.hpp"
#include "libperf/cache/mrc/recency_ranks.hpp"
#include "libperf/cache/policy/slot_heap.hpp"
#include "libperf/cache/sim/id_index.hpp"

namespace perf::cache {

namespace {

constexpr double kWhole = 18446744073709551616.0;  // 2^64
constexpr int kFineBits = 8;                       // 256 steps an octave: distances within 0.4 %
constexpr std::size_t kSteps = std::size_t{64} << kFineBits;

/// Steps of a logarithmic scale, exact below 256.
std::size_t StepOf(std::uint64_t distance) noexcept {
  if (distance < (std::uint64_t{1} << kFineBits)) return distance;
  const int shift = std::bit_width(distance) - kFineBits - 1;
  return (static_cast<std::size_t>(shift) << kFineBits) + (distance >> shift);
}

/// The largest hash is on top: the first that falls out of the sample.
struct Largest {
  std::uint64_t hash;
  bool operator<(const Largest& other) const noexcept { return hash > other.hash; }
};

}  // namespace

struct Shards::State {
  std::uint64_t sample = 0, seed = 0;
  std::uint64_t threshold = UINT64_MAX;  // hashes up to it are followed
  IdIndex index;
  std::vector<std::uint64_t> ids;
  std::vector<Slot> free;
  SlotHeap<Largest> heap;
  RecencyRanks ranks;
  // Each request that was looked at stands for 1 / rate of them.
  std::vector<double> counts = std::vector<double>(kSteps);
  double counted = 0;
  std::uint64_t requests = 0;

  double Rate() const noexcept { return (static_cast<double>(threshold) + 1.0) / kWhole; }
  Slot Follow(std::uint64_t id, std::uint64_t hash);
};

/// A key that is new in the sample; the one with the largest hash makes place, maybe itself.
Slot Shards::State::Follow(std::uint64_t id, std::uint64_t hash) {
  Slot key = static_cast<Slot>(ids.size());
  if (free.empty()) {
    ids.push_back(id);
  } else {
    key = free.back();
    free.pop_back();
    ids[key] = id;
  }
  index.Insert(id, key);
  heap.Set(key, {hash});
  while (heap.Size() > sample) {
    const Slot out = heap.Top();
    threshold = heap.TopKey().hash - 1;
    heap.Erase(out);
    index.Erase(ids[out]);
    if (out != key) ranks.Remove(out);
    free.push_back(out);
    if (out == key) return kNoSlot;
  }
  return key;
}

Shards::Shards(std::uint64_t sample, std::uint64_t seed) : state_(std::make_unique<State>()) {
  if (sample == 0 || sample > (std::uint64_t{1} << 30)) {
    throw ConfigError("a sample has 1 to 1073741824 keys");
  }
  state_->sample = sample;
  state_->seed = MixId(seed);
}
Shards::~Shards() = default;

void Shards::Add(std::uint64_t id) {
  State& state = *state_;
  ++state.requests;
  const std::uint64_t hash = MixId(id ^ state.seed);
  if (hash > state.threshold) return;
  const double stands_for = 1.0 / state.Rate();
  state.counted += stands_for;
  Slot key = state.index.Find(id);
  if (key == kNoSlot) key = state.Follow(id, hash);
  if (key == kNoSlot) return;
  const std::uint64_t distance = state.ranks.Touch(key);
  if (distance == RecencyRanks::kFirst) return;
  const double scaled = std::min(static_cast<double>(distance) * stands_for, 9e18);
  state.counts[StepOf(static_cast<std::uint64_t>(scaled))] += stands_for;
}

double Shards::MissRatio(std::uint64_t entries) const noexcept {
  const State& state = *state_;
  if (state.requests == 0 || entries == 0) return 1;
  const auto requests = static_cast<double>(state.requests);
  // What the sample has too few or too many is mostly keys of short distances (SHARDS-adj).
  double hits = requests - state.counted;
  for (std::size_t step = 0; step < StepOf(entries); ++step) hits += state.counts[step];
  return std::clamp(1.0 - hits / requests, 0.0, 1.0);
}

std::uint64_t Shards::Requests() const noexcept { return state_->requests; }
double Shards::Rate() const noexcept { return std::min(1.0, state_->Rate()); }

}  // namespace perf::cache

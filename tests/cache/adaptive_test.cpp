// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/adaptive.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <unordered_map>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/cache/policy/queue.hpp"
#include "libperf/cache/sim.hpp"
#include "tests/cache/shared_traces.hpp"

using namespace perf::cache;

namespace {

/// A read-through cache of one policy; keys are their own entries.
template <class P>
struct Cache {
  template <class... Args>
  explicit Cache(Args... args) : policy(args...) {}

  bool Get(std::uint64_t key, std::uint64_t weight = 1, bool tell = true) {
    ++requests;
    if (const auto found = slots.find(key); found != slots.end()) {
      ++hits;
      if (tell) policy.OnHit(found->second);
      return true;
    }
    const Slot slot = free.empty() ? static_cast<Slot>(keys.size()) : free.back();
    if (free.empty()) {
      keys.push_back(key);
    } else {
      free.pop_back();
    }
    keys[slot] = key;
    slots[key] = slot;
    evicted.clear();
    policy.OnInsert(slot, {MixId(key), weight, kNeverExpires}, evicted);
    for (const Slot gone : evicted) {
      slots.erase(keys[gone]);
      free.push_back(gone);
    }
    return false;
  }
  /// Since the last call.
  double Ratio() {
    const double ratio = static_cast<double>(hits) / static_cast<double>(requests);
    hits = requests = 0;
    return ratio;
  }

  P policy;
  std::unordered_map<std::uint64_t, Slot> slots;
  std::vector<std::uint64_t> keys;
  std::vector<Slot> free, evicted;
  std::uint64_t requests = 0, hits = 0;
};

using AdaptiveCache = Cache<Adaptive>;
using LruCache = Cache<Lru>;

/// Zipf's law over `keys` by its inverse, near enough for an exponent below 1.
struct Zipf {
  std::mt19937_64 random{7};
  double keys, power;

  Zipf(double n, double exponent) : keys(n), power(1 / (1 - exponent)) {}
  std::uint64_t operator()() {
    return static_cast<std::uint64_t>(keys *
                                      std::pow(std::uniform_real_distribution<>()(random), power));
  }
};

}  // namespace

TEST_CASE("a loop longer than the cache is held as far as it fits, whatever the size") {
  for (const std::uint64_t size : {100U, 1000U, 20000U}) {
    AdaptiveCache cache(Limits{size, 0}, 1U);
    LruCache lru(Limits{size, 0});
    const std::uint64_t length = size + size / 2;
    for (std::uint64_t i = 0; i < 20 * length; ++i) {
      if (i == 8 * length) cache.Ratio();
      cache.Get(i % length);
      lru.Get(i % length);
    }
    CAPTURE(size);
    CHECK(lru.Ratio() == 0);
    CHECK(cache.Ratio() > 0.96 * 2 / 3);
  }
}

TEST_CASE("where only recency pays it is LRU but for a moment, and learns anew when that changes") {
  constexpr std::uint64_t kSize = 1000;
  AdaptiveCache cache(Limits{kSize, 0}, 1U);
  LruCache lru(Limits{kSize, 0});
  std::uint64_t fresh = 1 << 30;
  for (int phase = 0; phase < 3; ++phase) {
    for (std::uint64_t i = 0; i < 60000; ++i) {
      if (i == 30000) cache.Ratio(), lru.Ratio();
      // Each key is used twice, the second time when 400 others have come: no count tells which.
      for (const std::uint64_t key : {fresh, fresh - 400}) cache.Get(key), lru.Get(key);
      ++fresh;
    }
    CAPTURE(phase);
    CHECK(cache.Ratio() > lru.Ratio() - 0.005);
    for (std::uint64_t i = 0; i < 60000; ++i) {
      if (i == 30000) cache.Ratio(), lru.Ratio();
      cache.Get(i % 2000), lru.Get(i % 2000);
    }
    CHECK(cache.Ratio() > 0.48);
    CHECK(lru.Ratio() == 0);
  }
}

TEST_CASE("skewed popularity with scans through it: well above LRU, small caches and large") {
  for (const std::uint64_t size : {200U, 5000U}) {
    AdaptiveCache cache(Limits{size, 0}, 1U);
    LruCache lru(Limits{size, 0});
    Zipf zipf(50000, 0.8);
    std::uint64_t scan = 1 << 30;
    for (std::uint64_t i = 0; i < 300000; ++i) {
      const std::uint64_t key = i % 20000 < 14000 ? zipf() : ++scan;
      cache.Get(key);
      lru.Get(key);
    }
    CAPTURE(size);
    CHECK(cache.Ratio() > lru.Ratio() + 0.05);
  }
}

TEST_CASE("half of the hits may be lost") {
  AdaptiveCache cache(Limits{1000, 0}, 1U);
  std::mt19937_64 random(3);
  for (std::uint64_t i = 0; i < 100000; ++i) cache.Get(i % 1500, 1, random() % 2 == 0);
  CHECK(cache.Ratio() > 0.5);
}

TEST_CASE("the same seed evicts the same") {
  AdaptiveCache one(Limits{3000, 0}, 5U), two(Limits{3000, 0}, 5U);
  Zipf zipf(20000, 0.7);
  for (int i = 0; i < 50000; ++i) {
    const std::uint64_t key = zipf();
    REQUIRE(one.Get(key) == two.Get(key));
    REQUIRE(one.evicted == two.evicted);
  }
}

TEST_CASE("a scan of heavy entries does not push out what is in use") {
  AdaptiveCache cache(Limits{0, 1000000}, 1U);
  std::uint64_t scan = 1 << 30;
  for (std::uint64_t i = 0; i < 400000; ++i) {
    if (i == 200000) cache.Ratio();
    const bool hot = i % 4 != 0;
    if (hot) {
      cache.Get(i * 2654435761 % 700, 1000);
    } else {
      const std::uint64_t hits = cache.hits, requests = cache.requests;
      cache.Get(++scan, 20000);
      cache.hits = hits, cache.requests = requests;
    }
    REQUIRE(cache.policy.Weight() <= 1000000);
  }
  CHECK(cache.Ratio() > 0.9);
}

TEST_CASE("any history of weights, updates and removals keeps the bounds and the books") {
  for (std::uint64_t seed = 1; seed <= test::Seeds(6); ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const Limits limits{seed % 3 == 0 ? 0 : random() % 3000 + 1,
                        seed % 3 == 1 ? 0 : random() % 90000 + 1};
    Adaptive policy(limits, seed);
    std::map<Slot, std::uint64_t> held;
    std::vector<Slot> evicted;
    for (int i = 0; i < 60000; ++i) {
      const auto slot = static_cast<Slot>(random() % 6000);
      const std::uint64_t key = i % 20000 < 10000 ? slot : random();
      const std::uint64_t weight = random() % 500 == 0 ? random() : random() % 100;
      evicted.clear();
      if (random() % 16 == 0) {
        policy.OnRemove(slot);
        held.erase(slot);
      } else if (random() % 2 == 0) {
        policy.OnHit(slot);
      } else {
        const Arrival arrival{MixId(key), weight, kNeverExpires};
        held.count(slot) != 0 ? policy.OnUpdate(slot, arrival, evicted)
                              : policy.OnInsert(slot, arrival, evicted);
        held[slot] = limits.weight == 0 ? 0 : std::max<std::uint64_t>(weight, 1);
        for (const Slot gone : evicted) REQUIRE(held.erase(gone) == 1);
      }
      REQUIRE(policy.Entries() == held.size());
      if (limits.entries != 0) REQUIRE(held.size() <= limits.entries);
      if (limits.weight != 0) REQUIRE(policy.Weight() <= limits.weight);
    }
    std::uint64_t sum = 0;
    for (const auto& [slot, weight] : held) sum += weight;
    CHECK(policy.Weight() == sum);
  }
}

TEST_CASE("caches of one, two and three entries work") {
  for (const std::uint64_t size : {1U, 2U, 3U}) {
    AdaptiveCache cache(Limits{size, 0}, 1U);
    for (std::uint64_t i = 0; i < 1000; ++i) {
      cache.Get(i % 7);
      REQUIRE(cache.policy.Entries() == std::min(size, i + 1));
      REQUIRE(cache.slots.size() == cache.policy.Entries());
    }
  }
}

TEST_CASE("its metadata is 16 bytes an entry and a bounded rest") {
  constexpr std::uint64_t kSize = 150000;
  AdaptiveCache cache(Limits{kSize, 0}, 1U);
  for (std::uint64_t i = 0; i < 3 * kSize; ++i) cache.Get(i);
  CHECK(cache.policy.MetadataBytes() < kSize * 16 + (300 << 10));
}

TEST_CASE("links, times and states of slots outlive the change to wide records") {
  constexpr Slot kSlots = (1U << 20) + 1000, kStep = 1009;
  AdaptiveRecords records;
  const auto check = [&](Slot end) {
    Slot slot = records.Back(1);
    for (Slot i = 0; i < end; i += kStep, slot = records.Newer(slot)) {
      REQUIRE(slot == i);
      REQUIRE(records.Holds(i));
      REQUIRE_FALSE(records.Holds(i + 1));
      REQUIRE(records.Time(i) == static_cast<std::uint16_t>(i * 7));
      REQUIRE(records.State(i) == static_cast<std::uint8_t>(i));
      REQUIRE(records.Hash(i) == ~i);
    }
    REQUIRE(slot == kNoSlot);
    REQUIRE(records.Empty(0));
  };
  for (Slot slot = 0; slot < kSlots; slot += kStep) {
    records.Grow(slot + 1);
    records.SetTime(slot, static_cast<std::uint16_t>(slot * 7));
    records.SetState(slot, static_cast<std::uint8_t>(slot));
    records.SetHash(slot, ~slot);
    records.PushFront(1, slot);
    if (slot / kStep == 500) check(slot + 1);
  }
  CHECK(records.Bytes() >= kSlots * std::size_t{16});
  check(kSlots);
  records.MoveToFront(1, 0);
  CHECK(records.Back(1) == kStep);
  records.Unlink(kStep);
  CHECK_FALSE(records.Holds(kStep));
  CHECK(records.Back(1) == 2 * kStep);
}

TEST_CASE("ghosts stay as old as they are when the time comes round") {
  FaintGhosts ghosts(64);
  for (std::uint32_t hash = 1; hash <= 20; ++hash) ghosts.Put(hash * 0x9e3779b1U, 0, 0);
  std::uint32_t now = 0;
  for (; now < 100000; ++now) ghosts.Sweep(now);
  for (std::uint32_t hash = 1; hash <= 20; ++hash) {
    const auto age = ghosts.Take(hash * 0x9e3779b1U, now);
    REQUIRE(age);
    CHECK(*age >= FaintGhosts::kOldest);
  }
  CHECK_FALSE(ghosts.Take(0x9e3779b1U, now));
}

TEST_CASE("parts of one cache learn together what each alone would have to") {
  constexpr std::uint64_t kParts = 8, kSize = 16000, kLength = kSize + kSize / 2;
  const auto group = std::make_shared<AdaptiveGroup>(Limits{kSize, 0}, kParts, 1U);
  std::vector<std::unique_ptr<AdaptiveCache>> parts;
  for (std::uint64_t i = 0; i < kParts; ++i) {
    parts.push_back(std::make_unique<AdaptiveCache>(Limits{kSize / kParts, 0}, i, group));
  }
  for (std::uint64_t i = 0; i < 20 * kLength; ++i) {
    if (i == 8 * kLength) {
      for (auto& part : parts) part->Ratio();
    }
    parts[MixId(i % kLength) >> 61]->Get(i % kLength);
  }
  double sum = 0;
  std::size_t bytes = 0;
  for (auto& part : parts) {
    sum += part->Ratio() / kParts;
    bytes += part->policy.MetadataBytes();
    CHECK(part->policy.Followed() == parts[0]->policy.Followed());
  }
  CHECK(sum > 0.96 * 2 / 3);
  CHECK(bytes < kSize * 16 + (300 << 10));
}

TEST_CASE("floors on real traces, and nowhere more than half a point below LRU") {
  const std::string folder = test::SharedTraces();
  if (folder.empty()) return;
  const std::map<std::pair<std::string, std::uint64_t>, double> floors = {
      {{"loop", 512}, 0.48},
      {{"corda_vaultservice", 1024}, 0.325},
      {{"arc_oltp", 8192}, 0.605},
      {{"gli", 1000}, 0.40}};
  std::map<std::string, std::set<std::uint64_t>> sizes;
  std::ifstream file(folder + "/reference_hit_ratios.csv");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto fields = perf::Split(line, ',');
    const auto size = static_cast<std::uint64_t>(*perf::ParseInteger(fields[3]));
    if (size >= 100) sizes[std::string(fields[0])].insert(size);
  }
  std::size_t floors_seen = 0;
  for (const auto& [trace, all] : sizes) {
    const auto [name, format] = test::TraceOf(trace);
    SimOptions options;
    for (const std::uint64_t size : all) {
      for (const char* policy : {"lru", "adaptive"}) options.cells.push_back({policy, size});
    }
    const auto rows = Simulate(OpenerOf(folder + "/" + name, {.format = format}), options);
    for (std::size_t i = 0; i < rows.size(); i += 2) {
      CAPTURE(trace);
      CAPTURE(rows[i].cell.size);
      CHECK(rows[i + 1].HitRatio() >= rows[i].HitRatio() - 0.005);
      if (const auto floor = floors.find({trace, rows[i].cell.size}); floor != floors.end()) {
        CHECK(rows[i + 1].HitRatio() >= floor->second);
        ++floors_seen;
      }
    }
  }
  CHECK(floors_seen == floors.size());
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/policy.hpp"

#include <doctest/doctest.h>

#include <list>
#include <numeric>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/cache/policy/frequency_sketch.hpp"
#include "libperf/cache/policy/ghosts.hpp"
#include "tests/cache/policy_owner.hpp"
#include "tests/cache/shared_traces.hpp"

using namespace perf::cache;

namespace {

struct NaiveEntry {
  std::uint64_t key = 0;
  std::uint64_t weight = 0;
  std::uint64_t count = 0;
  std::uint64_t used = 0;
  std::uint64_t came = 0;
};

/// LRU, FIFO and LFU by looking through everything.
class Naive {
 public:
  Naive(std::string name, Limits limits) : name_(std::move(name)), limits_(limits) {}

  void Use(std::uint64_t key, std::uint64_t weight, bool write) {
    ++now_;
    weight = std::max<std::uint64_t>(weight, 1);
    const auto found = Find(key);
    const bool heavy = limits_.weight != 0 && weight > limits_.weight;
    if (found == entries_.end()) {
      if (heavy) return;
      while (!Fits(weight, 1)) EvictOne();
      entries_.push_back({key, weight, 1, now_, now_});
      return;
    }
    ++found->count;
    found->used = now_;
    if (!write) return;
    if (heavy) {
      entries_.erase(found);
      return;
    }
    found->weight = 0;
    while (Find(key) != entries_.end() && !Fits(weight, 0)) EvictOne();
    if (Find(key) != entries_.end()) Find(key)->weight = weight;
  }
  void Remove(std::uint64_t key) {
    if (const auto found = Find(key); found != entries_.end()) entries_.erase(found);
  }
  std::set<std::uint64_t> Keys() const {
    std::set<std::uint64_t> keys;
    for (const NaiveEntry& entry : entries_) keys.insert(entry.key);
    return keys;
  }

 private:
  std::list<NaiveEntry>::iterator Find(std::uint64_t key) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const NaiveEntry& entry) { return entry.key == key; });
  }
  bool Fits(std::uint64_t weight, std::uint64_t more) const {
    const std::uint64_t sum =
        std::accumulate(entries_.begin(), entries_.end(), std::uint64_t{0},
                        [](std::uint64_t all, const NaiveEntry& e) { return all + e.weight; });
    return (limits_.entries == 0 || entries_.size() + more <= limits_.entries) &&
           (limits_.weight == 0 || sum + weight <= limits_.weight);
  }
  void EvictOne() {
    entries_.erase(std::min_element(
        entries_.begin(), entries_.end(), [&](const NaiveEntry& a, const NaiveEntry& b) {
          if (name_ == "fifo") return a.came < b.came;
          if (name_ == "lru") return a.used < b.used;
          return std::pair(a.count, a.used) < std::pair(b.count, b.used);
        }));
  }

  std::string name_;
  Limits limits_;
  std::list<NaiveEntry> entries_;
  std::uint64_t now_ = 0;
};

std::vector<Limits> SomeLimits(perf::Random& random) {
  const auto entries = static_cast<std::uint64_t>(random.Int(1, 12));
  const auto weight = static_cast<std::uint64_t>(random.Int(1, 40));
  return {{entries, 0}, {0, weight}, {entries, weight}};
}

std::uint64_t Draw(perf::Random& random, std::int64_t most) {
  return static_cast<std::uint64_t>(random.Int(0, most));
}

}  // namespace

TEST_CASE("ids become hashes of which none collide and all bits vary") {
  std::set<std::uint64_t> seen, tops;
  for (std::uint64_t id = 0; id < 10000; ++id) {
    seen.insert(MixId(id));
    tops.insert(MixId(id) >> 52);
  }
  CHECK(seen.size() == 10000);
  CHECK(tops.size() > 3500);
}

TEST_CASE("lru, fifo and lfu hold what their definitions say, in any history") {
  for (std::uint64_t seed = 1; seed <= test::Seeds(150); ++seed) {
    CAPTURE(seed);
    perf::Random random(seed);
    for (const Limits& limits : SomeLimits(random)) {
      for (const char* name : {"lru", "fifo", "lfu"}) {
        CAPTURE(name);
        test::PolicyOwner owner(name, limits);
        Naive naive(name, limits);
        for (int step = 0; step < 120; ++step) {
          const std::uint64_t key = Draw(random, 20), weight = Draw(random, 12);
          const std::int64_t what = random.Int(0, 9);
          if (what == 0) {
            owner.Remove(key);
            naive.Remove(key);
          } else if (what <= 2) {
            owner.Set(key, weight);
            naive.Use(key, weight, true);
          } else {
            owner.Get(key, weight);
            naive.Use(key, weight, false);
          }
          REQUIRE(owner.Keys() == naive.Keys());
        }
      }
    }
  }
}

TEST_CASE("every policy keeps its bounds in any history, also with late hits") {
  for (std::uint64_t seed = 1; seed <= test::Seeds(100); ++seed) {
    CAPTURE(seed);
    perf::Random random(seed);
    for (const Limits& limits : SomeLimits(random)) {
      for (const PolicyKind& kind : PolicyKinds()) {
        CAPTURE(kind.name);
        test::PolicyOwner owner(kind.name, limits);
        CHECK(owner.Held().Name() == kind.name);
        for (int step = 0; step < 200; ++step) {
          const std::uint64_t key = Draw(random, 30);
          const std::int64_t what = random.Int(0, 19);
          if (what == 0) {
            owner.Remove(key);
          } else if (what == 1) {
            owner.Stale(static_cast<Slot>(Draw(random, 60)));
          } else if (what <= 4) {
            owner.Set(key, Draw(random, 50));
          } else {
            owner.Get(key, Draw(random, 9));
          }
        }
      }
    }
  }
}

TEST_CASE("what is too heavy is refused and nobody else goes") {
  for (const PolicyKind& kind : PolicyKinds()) {
    CAPTURE(kind.name);
    test::PolicyOwner owner(kind.name, {0, 100});
    for (std::uint64_t key = 0; key < 10; ++key) owner.Set(key, 10);
    const auto before = owner.Keys();
    owner.Set(77, 101);
    owner.Set(78, std::uint64_t{1} << 31);
    owner.Set(79, std::numeric_limits<std::uint64_t>::max());
    CHECK(owner.Keys() == before);
    // One that is there and becomes too heavy goes alone.
    const std::uint64_t key = *before.rbegin();
    owner.Set(key, std::uint64_t{1} << 63);
    auto without = before;
    without.erase(key);
    CHECK(owner.Keys() == without);
  }
}

TEST_CASE("weights near 2^63 neither wrap nor stop evictions") {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
  for (const PolicyKind& kind : PolicyKinds()) {
    CAPTURE(kind.name);
    test::PolicyOwner owner(kind.name, {0, std::numeric_limits<std::uint64_t>::max()});
    for (std::uint64_t key = 0; key < 20; ++key) owner.Get(key % 7, kHuge);
    CHECK(owner.Keys().size() <= 1);
    for (std::uint64_t key = 0; key < 20; ++key) owner.Set(key % 5, kHuge - key * 1000);
    CHECK(owner.Held().Weight() <= std::numeric_limits<std::uint64_t>::max());
  }
}

TEST_CASE("an entry of weight 0 counts as 1") {
  for (const PolicyKind& kind : PolicyKinds()) {
    CAPTURE(kind.name);
    test::PolicyOwner owner(kind.name, {0, 10});
    for (std::uint64_t key = 0; key < 1000; ++key) owner.Get(key, 0);
    CHECK(owner.Keys().size() <= 10);
  }
}

TEST_CASE("memory of every online policy is bounded by its capacity") {
  for (const PolicyKind& kind : PolicyKinds()) {
    if (!kind.online) continue;
    CAPTURE(kind.name);
    const auto policy = MakePolicy(kind.name, {.limits = {1000, 0}});
    perf::Random random(1);
    std::vector<Slot> evicted, free;
    for (Slot slot = 0; slot <= 1000; ++slot) free.push_back(slot);
    std::size_t early = 0;
    for (std::uint64_t i = 0; i < 300000; ++i) {
      const Slot slot = free.back();
      free.pop_back();
      policy->OnInsert(slot, {MixId(i), 1, kNeverExpires}, evicted);
      policy->OnHit(static_cast<Slot>(Draw(random, 1000)));
      free.insert(free.end(), evicted.begin(), evicted.end());
      evicted.clear();
      if (i == 30000) early = policy->MetadataBytes();
    }
    CHECK(policy->MetadataBytes() <= early + early / 8);
    CHECK(policy->MetadataBytes() <= 400 * 1000);
  }
}

TEST_CASE("ttl: what expires first goes first, and a new value has a new expiry") {
  test::PolicyOwner owner("ttl", {3, 0});
  owner.Set(1, 1, 100);
  owner.Set(2, 1, 50);
  owner.Set(3, 1, 200);
  owner.Get(2);
  owner.Set(4, 1, 300);
  CHECK(owner.Keys() == std::set<std::uint64_t>{1, 3, 4});
  owner.Set(1, 1, 1000);
  owner.Set(5, 1, 400);
  CHECK(owner.Keys() == std::set<std::uint64_t>{1, 4, 5});
  owner.Set(6, 1);  // never expires: goes last
  owner.Set(7, 1);
  owner.Set(8, 1);
  owner.Set(9, 1);
  CHECK(owner.Keys() == std::set<std::uint64_t>{7, 8, 9});
}

TEST_CASE("sieve: the hand goes on behind one that is removed under it") {
  test::PolicyOwner owner("sieve", {4, 0});
  for (std::uint64_t key = 1; key <= 4; ++key) owner.Get(key);
  owner.Get(1);
  owner.Get(5);  // 1 is spared, 2 goes, the hand stands at 3
  CHECK(owner.Keys() == std::set<std::uint64_t>{1, 3, 4, 5});
  owner.Remove(3);
  owner.Get(6);
  owner.Get(7);  // 4 goes, not 1
  CHECK(owner.Keys() == std::set<std::uint64_t>{1, 5, 6, 7});
}

TEST_CASE("ghosts: the newest of a ring, found once, in the room they were given") {
  Ghosts<2> ghosts;
  perf::Random random(7);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> naive;  // oldest first
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t hash = MixId(Draw(random, 400));
    const auto ring = static_cast<std::uint32_t>(Draw(random, 1));
    const auto at =
        std::find_if(naive.begin(), naive.end(), [&](const auto& g) { return g.first == hash; });
    switch (random.Int(0, 3)) {
      case 0: {
        const auto found = ghosts.Take(hash);
        REQUIRE(found.has_value() == (at != naive.end()));
        if (at != naive.end()) {
          CHECK(found->ring == at->second);
          naive.erase(at);
        }
        break;
      }
      case 1: {
        ghosts.PopOldest(ring);
        const auto oldest = std::find_if(naive.begin(), naive.end(),
                                         [&](const auto& g) { return g.second == ring; });
        if (oldest != naive.end()) naive.erase(oldest);
        break;
      }
      default:
        ghosts.Push(ring, hash, 3);
        if (at != naive.end()) naive.erase(at);
        naive.emplace_back(hash, ring);
    }
    REQUIRE(ghosts.Of(0).entries + ghosts.Of(1).entries == naive.size());
    REQUIRE(ghosts.Of(0).weight + ghosts.Of(1).weight == 3 * naive.size());
    REQUIRE(ghosts.Has(hash) == std::any_of(naive.begin(), naive.end(),
                                            [&](const auto& g) { return g.first == hash; }));
  }
}

TEST_CASE(
    "the sketch never counts less than was seen, halves, and keeps its counts when it grows") {
  FrequencySketch sketch(1000);
  for (std::uint64_t id = 0; id < 300; ++id) {
    for (std::uint64_t use = 0; use <= id % 10; ++use) sketch.Add(MixId(id));
  }
  const auto low = [&] {
    int wrong = 0;
    for (std::uint64_t id = 0; id < 300; ++id) wrong += sketch.Count(MixId(id)) < id % 10 + 1;
    return wrong;
  };
  CHECK(low() == 0);
  sketch.Fit(100000);
  CHECK(low() == 0);
  std::uint64_t high = 0;
  for (std::uint64_t id = 0; id < 300; ++id) high += sketch.Count(MixId(id)) > id % 10 + 1;
  CHECK(high < 6);

  FrequencySketch small(4);
  for (int i = 0; i < 15; ++i) small.Add(MixId(1));
  CHECK(small.Count(MixId(1)) == 15);
  for (int i = 0; i < 25; ++i) small.Add(MixId(2));
  CHECK(small.Count(MixId(1)) == 7);
}

TEST_CASE("names of policies") {
  for (const PolicyKind& kind : PolicyKinds()) {
    CHECK(MakePolicy(kind.name, {.limits = {10, 0}})->Name() == kind.name);
    CHECK_FALSE(kind.text.empty());
  }
  CHECK_THROWS_WITH_AS(MakePolicy("lruu", {.limits = {10, 0}}),
                       doctest::Contains("did you mean lru?"), perf::ConfigError);
  CHECK_THROWS_WITH_AS(MakePolicy("lru", {}), doctest::Contains("needs a bound"),
                       perf::ConfigError);
}

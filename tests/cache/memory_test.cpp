// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/memory.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/cache/memory_support.hpp"

namespace perf::cache {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using test::kStart;
using test::Number;
using test::Tier;

}  // namespace

TEST_CASE("memory: what is put is got, replaced and removed") {
  Tier tier({100, 0});
  CHECK(tier.Get("a") == "-");
  CHECK(tier.Put("a", "one") == PutResult::kStored);
  CHECK(tier.Get("a") == "one");
  CHECK(tier.Put("a", "another") == PutResult::kReplaced);
  CHECK(tier.Get("a") == "another");
  CHECK(tier.Put("", "empty key") == PutResult::kStored);
  CHECK(tier.Put("empty value", "") == PutResult::kStored);
  CHECK(tier.Get("") == "empty key");
  CHECK(tier.Get("empty value") == "");
  CHECK(tier.Remove("a"));
  CHECK_FALSE(tier.Remove("a"));
  CHECK(tier.Get("a") == "-");
  const MemoryStats stats = tier.memory.Stats();
  CHECK(stats.entries == 2);
  CHECK(stats.hits == 4);
  CHECK(stats.misses == 2);
  CHECK(stats.inserts == 3);
  CHECK(stats.updates == 1);
  CHECK(stats.removals == 1);
  CHECK(stats.payload_bytes == 9 + 11);
}

TEST_CASE("memory: meta data is kept with the entry") {
  Tier tier({100, 0});
  PutOptions options;
  options.meta = std::string_view("\0\1meta", 6);
  REQUIRE(tier.Put("key", "value", options) == PutResult::kStored);
  const Handle found = tier.memory.Get("key", HashKey("key"), tier.now);
  REQUIRE(found);
  CHECK(found.Meta() == options.meta);
  CHECK(found.Key() == "key");
  CHECK(found.Value() == "value");
  CHECK(found.Expires() == TimePoint::max());
}

TEST_CASE("memory: a handle keeps its bytes, whatever happens to entry and cache") {
  Handle outlives;
  const std::string large(100'000, 'x');
  Handle large_outlives;
  {
    Tier tier({64, 0});
    tier.Put("a", "the value");
    tier.Put("large", large);
    outlives = tier.memory.Get("a", HashKey("a"), tier.now);
    large_outlives = tier.memory.Get("large", HashKey("large"), tier.now);
    Handle copy = outlives;
    tier.Put("a", "changed");
    for (int i = 0; i < 10'000; ++i) tier.Put(Number(static_cast<unsigned>(i)), "filler of it");
    CHECK(copy.Value() == "the value");
    CHECK(copy.Same(outlives));
    CHECK(tier.Get("a") == "-");
  }
  CHECK(outlives.Value() == "the value");
  CHECK(large_outlives.Value() == large);
  std::thread([moved = std::move(outlives)]() mutable { moved = Handle(); }).join();
  large_outlives = Handle();
  const Tier another({64, 0});  // whose making frees what the other one left
}

TEST_CASE("memory: many handles at once, released in any order") {
  Tier tier({5000, 0});
  std::vector<Handle> held;
  for (unsigned i = 0; i < 1000; ++i) {
    tier.Put(Number(i), Number(i * 7));
    held.push_back(tier.memory.Get(Number(i), HashKey(Number(i)), tier.now));
  }
  CHECK(tier.memory.Clear() == 1000);
  Random random(1);
  while (!held.empty()) {
    const auto at =
        static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(held.size()) - 1));
    const Handle one = std::move(held[at]);
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    CHECK(std::stoull(std::string(one.Value())) == std::stoull(std::string(one.Key())) * 7);
    tier.Put("more", std::string(held.size() % 100 + 1, 'm'));
  }
  tier.memory.Expire(tier.now);
  CHECK(tier.Get("more") == "m");
}

TEST_CASE("memory: one thread evicts what the policy alone would") {
  for (const PolicyKind& kind : PolicyKinds()) {
    if (!kind.online) continue;
    CAPTURE(kind.name);
    Tier tier({50, 0}, std::string(kind.name));
    PolicyOptions options;
    options.limits = {50, 0};
    const auto policy = MakePolicy(kind.name, options);
    std::map<std::string, Slot> slots;
    std::vector<Slot> free, evicted;
    for (Slot slot = 60; slot > 0; --slot) free.push_back(slot - 1);
    Random random(7);
    const Zipf zipf(300, 0.8);
    for (int i = 0; i < 20'000; ++i) {
      const std::string key = Number(static_cast<std::uint64_t>(zipf.Draw(random)));
      const auto known = slots.find(key);
      REQUIRE((tier.Get(key) != "-") == (known != slots.end()));
      if (known != slots.end()) {
        policy->OnHit(known->second);
        continue;
      }
      tier.Put(key, key);
      const Slot slot = free.back();
      free.pop_back();
      slots[key] = slot;
      evicted.clear();
      policy->OnInsert(slot, {HashKey(key), 1, kNeverExpires}, evicted);
      for (const Slot gone : evicted) {
        std::erase_if(slots, [&](const auto& one) { return one.second == gone; });
        free.push_back(gone);
      }
    }
  }
}

TEST_CASE("memory: a TTL of -1, 0, 1 ns, 999 ms and 2^63-1") {
  Tier tier({100, 0});
  CHECK(tier.PutFor("minus", "v", nanoseconds(-1)) == PutResult::kExpired);
  CHECK(tier.PutFor("zero", "v", Duration::zero()) == PutResult::kExpired);
  CHECK(tier.PutFor("one", "v", nanoseconds(1)) == PutResult::kStored);
  CHECK(tier.PutFor("sub-second", "v", milliseconds(999)) == PutResult::kStored);
  CHECK(tier.PutFor("max", "v", Duration::max()) == PutResult::kStored);
  CHECK(tier.PutFor("almost", "v", Duration::max() - nanoseconds(1)) == PutResult::kStored);
  CHECK(tier.PutFor("min", "v", Duration::min()) == PutResult::kExpired);
  CHECK(tier.Get("minus") == "-");
  CHECK(tier.Get("zero") == "-");
  CHECK(tier.Get("one") == "v");
  tier.now += nanoseconds(1);
  CHECK(tier.Get("one") == "-");
  tier.now = kStart + milliseconds(999) - nanoseconds(1);
  CHECK(tier.Get("sub-second") == "v");
  tier.now += nanoseconds(1);
  CHECK(tier.Get("sub-second") == "-");
  tier.now = TimePoint::max() - nanoseconds(1);
  tier.memory.Expire(tier.now);
  CHECK(tier.Get("max") == "v");
  CHECK(tier.Get("almost") == "v");
  CHECK(tier.memory.Stats().entries == 2);
  CHECK(tier.memory.Stats().expirations == 2);
}

TEST_CASE("memory: a TTL of zero removes what was there") {
  Tier tier({100, 0});
  tier.Put("a", "old");
  CHECK(tier.PutFor("a", "new", Duration::zero()) == PutResult::kExpired);
  CHECK(tier.Get("a") == "-");
  CHECK(tier.memory.Stats().entries == 0);
}

TEST_CASE("memory: the clock does not go back") {
  Tier tier({100, 0});
  tier.PutFor("a", "v", seconds(10));
  tier.now += seconds(20);
  tier.Put("b", "v");
  CHECK(tier.Get("a") == "-");
  tier.now -= hours(1);
  CHECK(tier.Get("a") == "-");
  CHECK(tier.PutFor("c", "v", seconds(10)) == PutResult::kStored);
  CHECK(tier.Get("c") == "v");
  tier.now += hours(1) + seconds(11);
  CHECK(tier.Get("c") == "-");
  CHECK(tier.memory.Expire(tier.now) == 1);  // a went when b was written
}

TEST_CASE("memory: an entry goes when its time is over, not before, in any order of times") {
  Tier tier({100'000, 0}, "lru");
  Random random(11);
  std::multimap<TimePoint, std::string> due;
  std::uint64_t written = 0;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 20; ++i) {
      // From nanoseconds to years.
      const Duration ttl(static_cast<std::int64_t>(1ULL << random.Int(0, 57)) + random.Int(0, 999));
      const std::string key = Number(written++);
      tier.PutFor(key, "v", ttl);
      due.emplace(Saturated(tier.now, ttl), key);
    }
    tier.now += Duration(static_cast<std::int64_t>(1ULL << random.Int(0, 44)));
    tier.memory.Expire(tier.now);
    while (!due.empty() && due.begin()->first <= tier.now) due.erase(due.begin());
    REQUIRE(tier.memory.Stats().entries == due.size());
    for (const auto& [at, key] : due) {
      if (random.Int(0, 20) == 0) REQUIRE(tier.Get(key) == "v");
    }
  }
}

TEST_CASE("memory: what was removed since the stamp is not stored") {
  Tier tier({100, 0}, "lru", 4);
  PutOptions loaded;
  loaded.stamp = tier.memory.Stamp(HashKey("a"));
  tier.Remove("a");  // during the load
  CHECK(tier.Put("a", "old", loaded) == PutResult::kOutdated);
  CHECK(tier.Get("a") == "-");
  loaded.stamp = tier.memory.Stamp(HashKey("a"));
  CHECK(tier.Put("a", "new", loaded) == PutResult::kStored);
  CHECK(tier.Put("a", "newer", loaded) == PutResult::kReplaced);  // a write is no removal
  tier.memory.Clear();
  CHECK(tier.Put("a", "old", loaded) == PutResult::kOutdated);
  loaded.stamp = tier.memory.Stamp(HashKey("a"));
  tier.memory.RemovePrefix("b");
  CHECK(tier.Put("a", "old", loaded) == PutResult::kOutdated);
  CHECK(tier.memory.Stats().outdated == 3);
}

TEST_CASE("memory: a hit that removes does not take a newer value away") {
  Tier tier({100, 0});
  tier.Put("a", "old");
  const Handle old = tier.memory.Get("a", HashKey("a"), tier.now);
  tier.Put("a", "new");
  CHECK_FALSE(tier.memory.RemoveSame(old, HashKey("a")));
  CHECK(tier.Get("a") == "new");
  const Handle fresh = tier.memory.Get("a", HashKey("a"), tier.now);
  CHECK(tier.memory.RemoveSame(fresh, HashKey("a")));
  CHECK_FALSE(tier.memory.RemoveSame(fresh, HashKey("a")));
  CHECK(tier.Get("a") == "-");
}

TEST_CASE("memory: removing by prefix and by predicate, and walking") {
  Tier tier({10'000, 0}, "lru", 4);
  for (unsigned i = 0; i < 1000; ++i) {
    tier.Put("user:" + Number(i), Number(i));
    tier.PutFor("guest:" + Number(i), Number(i), seconds(i < 500 ? 1 : 100));
  }
  tier.now += seconds(10);
  std::set<std::string> seen;
  tier.memory.ForEach(tier.now, [&](Handle handle) {
    seen.insert(std::string(handle.Key()));
    return true;
  });
  CHECK(seen.size() == 1500);
  CHECK(tier.memory.RemoveIf([&](const Handle& handle) {
    // May call the cache: no lock is held.
    return tier.memory.Peek(handle.Key(), HashKey(handle.Key()), tier.now) &&
           handle.Value().ends_with("7");
  }) == 150);
  CHECK(tier.memory.RemovePrefix("guest:") == 1000 - 50);
  CHECK(tier.memory.Stats().entries == 900);
  int shown = 0;
  tier.memory.ForEach(tier.now, [&](const Handle&) { return ++shown < 5; });
  CHECK(shown == 5);
  CHECK(tier.memory.Clear() == 900);
  CHECK(tier.memory.Stats().entries == 0);
}

TEST_CASE("memory: options that make no sense") {
  MemoryOptions options;
  options.limits = {0, 0};
  CHECK_THROWS_AS(Memory{options}, ConfigError);
  options.limits = {10, 0};
  options.policy = "lur";
  CHECK_THROWS_AS(Memory{options}, ConfigError);
}

}  // namespace perf::cache

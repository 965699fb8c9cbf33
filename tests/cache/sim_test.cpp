// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/sim.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/cache/sim/id_index.hpp"
#include "tests/cache/shared_traces.hpp"

using namespace perf::cache;

namespace {

/// A trace of keys as text, opened as often as asked for.
TraceOpener OpenerOfKeys(const std::vector<int>& keys) {
  std::string text;
  for (const int key : keys) text += std::to_string(key) + "\n";
  return [text = std::move(text)] {
    return OpenTrace(OpenMemory(text, "keys"), "keys", {.format = TraceFormat::kKeys});
  };
}

TraceOpener OpenerOfText(std::string text, TraceOptions options) {
  return [text = std::move(text), options] {
    return OpenTrace(OpenMemory(text, "text"), "text", options);
  };
}

/// The most hits of any choice of victims, by trying all of them.
int MostHits(const std::vector<int>& keys, std::size_t at, std::set<int> held, std::size_t capacity,
             bool bypass, std::map<std::pair<std::size_t, std::set<int>>, int>& known) {
  if (at == keys.size()) return 0;
  const auto [found, fresh] = known.try_emplace({at, held}, 0);
  if (!fresh) return found->second;
  int best = 0;
  const auto next = [&](const std::set<int>& then) {
    return MostHits(keys, at + 1, then, capacity, bypass, known);
  };
  if (held.contains(keys[at])) {
    best = 1 + next(held);
  } else {
    if (bypass) best = next(held);
    std::set<int> with = held;
    with.insert(keys[at]);
    if (with.size() <= capacity) best = std::max(best, next(with));
    if (with.size() > capacity) {
      for (const int victim : held) {
        std::set<int> then = with;
        then.erase(victim);
        best = std::max(best, next(then));
      }
    }
  }
  return known[{at, held}] = best;
}

SimRow One(const TraceOpener& open, const SimCell& cell) {
  SimOptions options;
  options.cells = {cell};
  return Simulate(open, options).at(0);
}

}  // namespace

TEST_CASE("opt and optb reach what trying all victims reaches") {
  for (std::uint64_t seed = 1; seed <= test::Seeds(60); ++seed) {
    CAPTURE(seed);
    perf::Random random(seed);
    std::vector<int> keys;
    for (int i = 0; i < 14; ++i) keys.push_back(static_cast<int>(random.Int(1, 6)));
    for (const std::size_t capacity : {1, 2, 3}) {
      CAPTURE(capacity);
      std::map<std::pair<std::size_t, std::set<int>>, int> known, known_bypass;
      const auto opt = One(OpenerOfKeys(keys), {.policy = "opt", .size = capacity});
      CHECK(static_cast<int>(opt.hits) == MostHits(keys, 0, {}, capacity, false, known));
      const auto optb = One(OpenerOfKeys(keys), {.policy = "optb", .size = capacity});
      CHECK(static_cast<int>(optb.hits) == MostHits(keys, 0, {}, capacity, true, known_bypass));
    }
  }
}

TEST_CASE("no policy has more hits than optb, and all count the same requests") {
  std::vector<int> keys;
  perf::Random random(5);
  const perf::Zipf zipf(2000, 0.9);
  for (int i = 0; i < 50000; ++i) {
    keys.push_back(static_cast<int>(i % 5 == 0 ? 5000 + i % 700 : zipf.Draw(random)));
  }
  SimOptions options;
  for (const std::string_view name : SimPolicies()) {
    options.cells.push_back({.policy = std::string(name), .size = 150});
  }
  options.threads = 2;
  const auto rows = Simulate(OpenerOfKeys(keys), options);
  const std::uint64_t best = rows.back().hits;
  REQUIRE(rows.back().cell.policy == "optb");
  for (const SimRow& row : rows) {
    CAPTURE(row.cell.policy);
    CHECK(row.requests == keys.size());
    CHECK(row.hits > keys.size() / 10);
    CHECK(row.hits <= best);
    CHECK(row.bytes == row.requests);
    CHECK(row.bytes_hit == row.hits);
    CHECK(row.evictions <= row.requests - row.hits);
  }
}

TEST_CASE("sets and deletes change the cache and are not counted") {
  const std::string text =
      "op_time,key,key_size,op,op_count,size\n"
      "1,a,1,SET,1,9\n"     // puts a
      "2,a,1,GET,3,9\n"     // 3 hits
      "3,a,1,DELETE,1,0\n"  // takes it out
      "4,a,1,GET,2,9\n"     // a miss that puts it, a hit
      "5,b,1,GET_LEASE,1,9\n"
      "6,c,1,SET,1,9\n"  // a goes
      "7,a,1,GET,1,9\n";
  for (const char* policy : {"lru", "fifo", "opt"}) {
    CAPTURE(policy);
    const SimRow row = One(OpenerOfText(text, {}), {.policy = policy, .size = 2});
    CHECK(row.requests == 7);
    const bool kept = std::string(policy) == "opt";  // it knows that a comes again
    CHECK(row.hits == (kept ? 5 : 4));
    CHECK(row.bytes == 70);
    CHECK(row.bytes_hit == row.hits * 10);
  }
}

TEST_CASE("bytes: sizes bound the cache, what is heavier than it is refused and counted") {
  const std::string text =
      "1 a 60\n2 b 50\n3 a 60\n4 big 101\n5 a 60\n6 b 50\n7 c 40\n8 b 50\n9 c 40\n";
  const TraceOptions options{.format = TraceFormat::kTr};
  for (const char* policy : {"lru", "opt"}) {
    CAPTURE(policy);
    const SimRow row =
        One(OpenerOfText(text, options), {.policy = policy, .size = 100, .bytes = true});
    CHECK(row.requests == 9);
    CHECK(row.refused == 1);
    CHECK(row.bytes == 511);
    // a, then b for a; a again for b, a hit; b for a; c beside b; both hit.
    CHECK(row.hits == 3);
    CHECK(row.bytes_hit == 150);
  }
}

TEST_CASE("a simulator fed by hand counts as a replay does") {
  const auto simulator = MakeSimulator({.policy = "lru", .size = 2});
  const std::vector<Request> requests = {{1}, {2}, {1}, {3}, {2}, {3}};
  simulator->Feed(requests);
  simulator->Feed({});
  CHECK(simulator->Row().requests == 6);
  CHECK(simulator->Row().hits == 2);
  CHECK(simulator->Row().HitRatio() == doctest::Approx(1.0 / 3));
  CHECK(simulator->Row().evictions == 2);
}

TEST_CASE("what a simulation refuses") {
  const auto open = OpenerOfKeys({1, 2, 3});
  CHECK_THROWS_WITH_AS(One(open, {.policy = "lru", .size = 0}), doctest::Contains("size 0"),
                       perf::ConfigError);
  CHECK_THROWS_WITH_AS(One(open, {.policy = "sive", .size = 1}),
                       doctest::Contains("did you mean sieve?"), perf::ConfigError);
  CHECK_THROWS_AS(MakeSimulator({.policy = "opt", .size = 1}), perf::ConfigError);
  SimOptions options;
  options.cells = {{.policy = "opt", .size = 2}};
  options.memory_limit = 10;
  std::string said;
  options.say = [&](const std::string& text) { said += text + "\n"; };
  CHECK_THROWS_WITH_AS(Simulate(open, options), doctest::Contains("10 B may be used"),
                       perf::ConfigError);
  CHECK(said.find("opt will need about") != std::string::npos);
  CHECK(said.find("3 requests, about 3 distinct keys") != std::string::npos);
}

TEST_CASE("a replay ends early where it is asked to") {
  std::vector<int> keys(100000, 7);
  SimOptions options;
  options.cells = {{.policy = "lru", .size = 2}, {.policy = "opt", .size = 2}};
  options.go_on = [](std::uint64_t requests) { return requests < 20000; };
  for (const SimRow& row : Simulate(OpenerOfKeys(keys), options)) {
    CHECK(row.requests >= 20000);
    CHECK(row.requests < 40000);
    CHECK(row.hits == row.requests - 1);
  }
}

TEST_CASE("the index of ids holds what was put there, in any order of insertions and removals") {
  perf::Random random(3);
  IdIndex index;
  std::map<std::uint64_t, Slot> naive;
  for (int step = 0; step < 200000; ++step) {
    // Ids in clusters, as blocks are, so that probes collide.
    const auto id = static_cast<std::uint64_t>(random.Int(0, 30)) << 40 |
                    static_cast<std::uint64_t>(random.Int(0, 60));
    const auto found = naive.find(id);
    REQUIRE(index.Find(id) == (found == naive.end() ? kNoSlot : found->second));
    if (found != naive.end()) {
      index.Erase(id);
      naive.erase(found);
    } else if (random.Int(0, 2) > 0) {
      index.Insert(id, static_cast<Slot>(step));
      naive[id] = static_cast<Slot>(step);
    }
    REQUIRE(index.Count() == naive.size());
  }
}

TEST_CASE("byte-sized caches on a real trace equal libCacheSim's published miss ratios") {
  const std::string folder = test::SharedTraces();
  if (folder.empty()) return;
  // test/test_evictionAlgo.c of libCacheSim: hit percentages at 128, 256 … 1024 MiB.
  const std::map<std::string, std::vector<double>> published = {
      {"lru", {18.00, 21.15, 26.61, 28.23, 36.34, 36.68, 36.80, 37.03}},
      {"fifo", {17.98, 21.50, 25.89, 26.21, 36.33, 36.57, 36.61, 36.65}},
      {"lfu", {19.47, 23.84, 30.99, 32.64, 38.58, 41.85, 43.41, 43.47}},
      {"sieve", {19.47, 23.84, 30.99, 32.64, 38.58, 41.85, 43.41, 43.47}},
      {"s3fifo", {21.57, 27.65, 32.34, 32.56, 37.39, 38.23, 38.13, 38.22}},
      {"opt", {30.40, 37.89, 42.50, 45.91, 47.62, 49.42, 55.32, 56.99}}};
  SimOptions options;
  for (const auto& [policy, ratios] : published) {
    for (std::uint64_t step = 1; step <= ratios.size(); ++step) {
      options.cells.push_back({.policy = policy, .size = step * (128 << 20), .bytes = true});
    }
  }
  const auto rows = Simulate(OpenerOf(folder + "/cloudPhysicsIO.oracleGeneral.bin", {}), options);
  for (const SimRow& row : rows) {
    CAPTURE(row.cell.policy);
    CAPTURE(row.cell.size);
    CHECK(row.requests == 113872);
    const double wanted = published.at(row.cell.policy)[row.cell.size / (128 << 20) - 1];
    CHECK(std::abs(row.HitRatio() * 100 - wanted) <= 0.00501);
  }
}

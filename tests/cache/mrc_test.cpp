// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/mrc.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <list>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/cache/mrc/recency_ranks.hpp"
#include "tests/cache/shared_traces.hpp"

using namespace perf::cache;

namespace {

TraceOpener OpenerOfIds(const std::vector<std::uint64_t>& ids) {
  std::string text;
  for (const std::uint64_t id : ids) text += std::to_string(id) + "\n";
  return [text = std::move(text)] {
    return OpenTrace(OpenMemory(text, "keys"), "keys", {.format = TraceFormat::kKeys});
  };
}

std::vector<std::uint64_t> ZipfIds(int count, std::int64_t keys) {
  perf::Random random(42);
  const perf::Zipf zipf(keys, 0.9);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < count; ++i) ids.push_back(static_cast<std::uint64_t>(zipf.Draw(random)));
  return ids;
}

}  // namespace

TEST_CASE("ranks of recency are what a list says, also with removals and renumbering") {
  for (std::uint64_t seed = 1; seed <= test::Seeds(20); ++seed) {
    CAPTURE(seed);
    perf::Random random(seed);
    RecencyRanks ranks;
    std::list<Slot> naive;  // the last one first
    for (int step = 0; step < 4000; ++step) {
      const auto key = static_cast<Slot>(random.Int(0, 40));
      const auto at = std::find(naive.begin(), naive.end(), key);
      if (random.Int(0, 9) == 0) {
        if (at == naive.end()) continue;
        ranks.Remove(key);
        naive.erase(at);
        continue;
      }
      const auto rank = at == naive.end()
                            ? RecencyRanks::kFirst
                            : static_cast<std::uint64_t>(std::distance(naive.begin(), at));
      REQUIRE(ranks.Touch(key) == rank);
      if (at != naive.end()) naive.erase(at);
      naive.push_front(key);
      REQUIRE(ranks.Live() == naive.size());
    }
  }
}

TEST_CASE("stack distances tell the hits of an LRU cache of every size") {
  const auto ids = ZipfIds(20000, 3000);
  StackDistances distances;
  for (const std::uint64_t id : ids) distances.Add(id);
  CHECK(distances.Requests() == ids.size());
  SimOptions options;
  for (const std::uint64_t size : {1, 2, 3, 10, 77, 500, 1500, 5000}) {
    options.cells.push_back({.policy = "lru", .size = size});
  }
  for (const SimRow& row : Simulate(OpenerOfIds(ids), options)) {
    CAPTURE(row.cell.size);
    CHECK(distances.Hits(row.cell.size) == row.hits);
  }
  CHECK(distances.Hits(distances.Distinct()) == ids.size() - distances.Distinct());
  StackDistances two;
  CHECK(two.Add(1) == RecencyRanks::kFirst);
  CHECK(two.Add(1) == 0);
  CHECK(two.Add(2) == RecencyRanks::kFirst);
  CHECK(two.Add(1) == 1);
}

TEST_CASE("SHARDS is near the exact curve with a sample of a fraction, and exact with one of all") {
  const auto ids = ZipfIds(300000, 60000);
  StackDistances exact;
  Shards sampled(4096), all(100000);
  for (const std::uint64_t id : ids) {
    exact.Add(id);
    sampled.Add(id);
    all.Add(id);
  }
  CHECK(sampled.Requests() == ids.size());
  CHECK(sampled.Rate() < 0.3);
  CHECK(all.Rate() == 1);
  // Far below the sample's own spacing (here 1 in 15) no sample of keys can tell much.
  for (const std::uint64_t size : {500, 2000, 8000, 30000, 60000}) {
    CAPTURE(size);
    const double miss = 1 - static_cast<double>(exact.Hits(size)) / static_cast<double>(ids.size());
    CHECK(std::abs(sampled.MissRatio(size) - miss) < 0.03);
    CHECK(std::abs(all.MissRatio(size) - miss) < 0.002);
  }
  CHECK(sampled.MissRatio(0) == 1);
  CHECK_THROWS_AS(Shards(0), perf::ConfigError);
}

TEST_CASE(
    "curves: exact ones equal simulations, sampled ones come near, each says how it was made") {
  const auto ids = ZipfIds(60000, 8000);
  const auto open = OpenerOfIds(ids);
  MrcOptions options;
  options.policies = {"lru", "sieve", "opt"};
  options.sizes = {100, 800, 3000};
  std::string said;
  options.say = [&](const std::string& text) { said += text + "\n"; };
  const auto exact = MissRatioCurves(open, options);
  REQUIRE(exact.size() == 3);
  CHECK(exact[0].method == "stack distances");
  CHECK(exact[1].method == "simulation");
  CHECK(said.find("exact stack distances will need about") != std::string::npos);
  CHECK(said.find("opt will need about") != std::string::npos);
  SimOptions cells;
  for (const MissRatioCurve& curve : exact) {
    for (const std::uint64_t size : options.sizes)
      cells.cells.push_back({.policy = curve.policy, .size = size});
  }
  const auto rows = Simulate(open, cells);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(exact[i / 3].points[i % 3].size == rows[i].cell.size);
    CHECK(exact[i / 3].points[i % 3].miss_ratio == doctest::Approx(1 - rows[i].HitRatio()));
  }
  options.sample = 2000;
  const auto sampled = MissRatioCurves(open, options);
  CHECK(sampled[0].method == "SHARDS");
  CHECK(sampled[1].method == "miniature simulation");
  for (std::size_t i = 0; i < sampled.size(); ++i) {
    CAPTURE(sampled[i].policy);
    CHECK(sampled[i].sampled < 0.5);
    for (std::size_t p = 0; p < options.sizes.size(); ++p) {
      CHECK(std::abs(sampled[i].points[p].miss_ratio - exact[i].points[p].miss_ratio) < 0.06);
    }
  }
}

TEST_CASE("curves choose sizes of their own, rising up to all keys, in entries or bytes") {
  const auto open = OpenerOfIds(ZipfIds(30000, 5000));
  MrcOptions options;
  options.points = 8;
  options.policies = {"fifo"};
  const auto curve = MissRatioCurves(open, options).at(0);
  REQUIRE(curve.points.size() == 8);
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    CHECK(curve.points[i].size > curve.points[i - 1].size);
    CHECK(curve.points[i].miss_ratio <= curve.points[i - 1].miss_ratio);
  }
  options.bytes = true;
  options.policies = {"lru"};
  const auto bytes = MissRatioCurves(open, options).at(0);
  CHECK(bytes.method == "simulation");
  CHECK(bytes.points.back().miss_ratio < 0.3);
}

TEST_CASE("what curves refuse") {
  MrcOptions options;
  options.policies = {"nope"};
  CHECK_THROWS_AS(MissRatioCurves(OpenerOfIds({1, 2}), options), perf::ConfigError);
  options.policies = {"lru"};
  options.memory_limit = 100;
  CHECK_THROWS_WITH_AS(MissRatioCurves(OpenerOfIds({1, 2}), options),
                       doctest::Contains("100 B may be used"), perf::ConfigError);
  options.sizes = {0};
  CHECK_THROWS_WITH_AS(MissRatioCurves(OpenerOfIds({1, 2}), options), doctest::Contains("size 0"),
                       perf::ConfigError);
}

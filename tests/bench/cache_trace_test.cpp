// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/bench/cache_advise.hpp"
#include "libperf/bench/cache_mrc.hpp"
#include "libperf/bench/cache_sim.hpp"
#include "libperf/bench/cache_trace.hpp"

using namespace perf;
using namespace perf::bench;

namespace {

/// A file of keys, one a line.
class KeyFile {
 public:
  explicit KeyFile(const std::string& keys)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("perfkit-test-{}.keys", reinterpret_cast<std::uintptr_t>(this))) {
    std::ofstream(path_) << keys;
  }
  ~KeyFile() { std::filesystem::remove(path_); }
  KeyFile(const KeyFile&) = delete;
  KeyFile& operator=(const KeyFile&) = delete;
  std::string Path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string ZipfKeys(int requests) {
  Random random(7);
  const Zipf zipf(500, 1.0);
  std::string keys;
  for (int i = 0; i < requests; ++i) keys += fmt::format("{}\n", zipf.Draw(random));
  return keys;
}

double At(const load::Result& result, std::size_t row, const char* field) {
  return result.bench->rows.at(row).Find(field)->AsDouble();
}

}  // namespace

TEST_CASE("requirements: what can be written, and what cannot") {
  CHECK(ParseRequirement("48%").share == doctest::Approx(0.48));
  CHECK(ParseRequirement("48%").policy.empty());
  const CacheRequirement floor = ParseRequirement("adaptive >= 0.4");
  CHECK(floor.policy == "adaptive");
  CHECK(floor.share == doctest::Approx(0.4));
  const CacheRequirement peer = ParseRequirement("adaptive>=lru-0.5%");
  CHECK(peer.than == "lru");
  CHECK(peer.share == doctest::Approx(0.005));
  CHECK(ParseRequirement("arc>=lru").share == 0);
  for (const char* bad : {"", "lru", ">=48%", "lru>=", "lru>=-1%", "lru>=200%", "lru>=arc-x"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(ParseRequirement(bad), UsageError);
  }
}

TEST_CASE("policies: groups, doubles and slips") {
  CHECK(SimPolicyNames({"lru", "lru", "opt"}) == std::vector<std::string>{"lru", "opt"});
  CHECK(SimPolicyNames({"all"}).size() > SimPolicyNames({"online"}).size());
  CHECK_THROWS_WITH_AS(SimPolicyNames({"sive"}), doctest::Contains("did you mean 'sieve'"),
                       UsageError);
  CHECK_THROWS_AS(OnlinePolicyName("opt"), UsageError);
  CHECK_THROWS_WITH_AS(TraceFormatOf("oracle-general"), doctest::Contains("oracleGeneral"),
                       UsageError);
}

TEST_CASE("next sizes: narrower each time, and an end") {
  CHECK(NextSizes({{100, 0.5}}, 0.8, 100, 4).empty());  // the largest does not do
  CHECK(NextSizes({{7, 0.9}, {6, 0.7}}, 0.8, 100, 4).empty());
  CHECK(NextSizes({{1000, 0.9}, {991, 0.7}}, 0.8, 5000, 4).empty());
  for (const std::uint64_t wanted : {1u, 2u, 3u, 77u, 5000u, 99'999u}) {
    CAPTURE(wanted);
    // A cache whose hit ratio is its size.
    const double ratio = static_cast<double>(wanted) / 100'000;
    std::vector<TriedSize> tried{{100'000, 1.0}};
    int rounds = 0;
    for (auto sizes = NextSizes(tried, ratio, 100'000, 4); !sizes.empty();
         sizes = NextSizes(tried, ratio, 100'000, 4)) {
      for (const std::uint64_t size : sizes) {
        CHECK(size <= 100'000);
        tried.push_back({size, static_cast<double>(size) / 100'000});
      }
      REQUIRE(++rounds < 20);
    }
    std::uint64_t best = 100'000;
    for (const TriedSize& each : tried) {
      if (each.hit_ratio >= ratio) best = std::min(best, each.size);
    }
    CHECK(best >= wanted);
    CHECK(best <= wanted + wanted / 100 + 1);
  }
}

TEST_CASE("sim: hits counted, requirements judged, rows in order") {
  const KeyFile keys("1\n2\n3\n1\n2\n3\n1\n");
  CacheSimOptions options;
  options.traces = {keys.Path()};
  options.policies = {"lru", "opt"};
  options.sizes = {2, 3};
  options.requirements = {ParseRequirement("opt>=lru"), ParseRequirement("lru>=90%")};
  const load::Result result = CacheSim(options, Context{});
  REQUIRE(result.bench->rows.size() == 4);
  CHECK(result.bench->rows[0].Find("policy")->AsString() == "lru");
  CHECK(At(result, 0, "hits") == 0);  // 1 2 3 in turns through two places
  CHECK(At(result, 1, "hits") == 2);
  CHECK(At(result, 2, "hits") == 4);
  CHECK(At(result, 2, "hit_ratio") == doctest::Approx(4.0 / 7));
  CHECK(At(result, 0, "requests") == 7);
  REQUIRE(result.thresholds.size() == 4);
  CHECK(result.verdict == load::Verdict::kFail);
  for (const std::size_t size : {0u, 1u}) {
    CHECK(result.thresholds[size].ok);            // opt>=lru
    CHECK_FALSE(result.thresholds[2 + size].ok);  // lru>=90%
  }

  options.requirements = {ParseRequirement("arc>=10%")};
  CHECK_THROWS_AS(CacheSim(options, Context{}), UsageError);
  options.requirements.clear();
  options.traces = {"/nonexistent"};
  CHECK_THROWS_AS(CacheSim(options, Context{}), ConfigError);
}

TEST_CASE("mrc: falls with the size, and the sample tells how far it is off") {
  const KeyFile keys(ZipfKeys(20'000));
  CacheMrcOptions options;
  options.trace = keys.Path();
  options.policies = {"lru", "fifo"};
  options.points = 6;
  options.sampled = true;
  const load::Result result = CacheMrc(options, Context{});
  REQUIRE(result.bench->rows.size() == 24);
  for (std::size_t row = 1; row < 6; ++row) {
    CHECK(At(result, row, "miss_ratio") <= At(result, row - 1, "miss_ratio"));
    CHECK(At(result, row, "size") > At(result, row - 1, "size"));
  }
  CHECK(result.bench->rows[0].Find("error")->IsNull());
  CHECK(result.bench->rows[12].Find("error")->IsNumber());
}

TEST_CASE("advise: the smallest size that does, confirmed by a simulation of it") {
  const KeyFile keys(ZipfKeys(20'000));
  CacheAdviseOptions options;
  options.trace = keys.Path();
  options.policies = {"lru", "lfu"};
  options.hit_ratio = 0.7;
  options.entry_bytes = 100;
  const load::Result result = CacheAdvise(options, Context{});
  CHECK(result.verdict == load::Verdict::kPass);
  const Json* best = nullptr;
  for (const Json& row : result.bench->rows) {
    CHECK(row.Find("hit_ratio")->AsDouble() >= 0.7);
    if (row.Find("recommended")->AsBool()) best = &row;
  }
  REQUIRE(best != nullptr);
  const std::int64_t size = best->Find("size")->AsInt();
  CHECK(CacheLines(result) == fmt::format("\nCACHE_MEMORY_MAX_SIZE={}\nCACHE_MEMORY_MAX_BYTES={}\n"
                                          "CACHE_POLICY={}\n",
                                          size, size * 164, best->Find("policy")->AsString()));
  CacheSimOptions sim;
  sim.traces = {keys.Path()};
  sim.policies = {best->Find("policy")->AsString()};
  sim.sizes = {static_cast<std::uint64_t>(size), static_cast<std::uint64_t>(size) * 9 / 10};
  const load::Result again = CacheSim(sim, Context{});
  CHECK(At(again, 0, "hit_ratio") >= 0.7);
  CHECK(At(again, 1, "hit_ratio") < 0.7);

  options.hit_ratio = 0.999;
  const load::Result none = CacheAdvise(options, Context{});
  CHECK(none.verdict == load::Verdict::kFail);
  CHECK(CacheLines(none).empty());
  options.bytes = true;
  CHECK_THROWS_AS(CacheAdvise(options, Context{}), ConfigError);  // keys have no sizes
}

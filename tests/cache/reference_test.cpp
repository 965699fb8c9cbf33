// SPDX-License-Identifier: Apache-2.0
// Real traces against exact counts of another program (see the README beside the traces).
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/cache/sim.hpp"
#include "tests/cache/shared_traces.hpp"

using namespace perf::cache;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kWatched = true;
#else
constexpr bool kWatched = false;
#endif

struct Reference {
  SimCell cell;
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
};

const std::map<std::string, std::string, std::less<>> kNames = {
    {"LRU", "lru"},     {"FIFO", "fifo"},     {"LFU", "lfu"}, {"PLFU", "plfu"},
    {"SIEVE", "sieve"}, {"S3FIFO", "s3fifo"}, {"ARC", "arc"}, {"WTLFU1", "wtinylfu"},
    {"OPT", "opt"},     {"OPTB", "optb"}};

/// By trace; the columns: trace, requests, unique, cache_size, label, policy, hits, ratio.
std::map<std::string, std::vector<Reference>> ReadReferences(const std::string& folder) {
  std::map<std::string, std::vector<Reference>> references;
  std::ifstream file(folder + "/reference_hit_ratios.csv");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto fields = perf::Split(line, ',');
    REQUIRE(fields.size() == 8);
    Reference reference;
    reference.cell.policy = kNames.find(fields[5])->second;
    reference.cell.size = static_cast<std::uint64_t>(*perf::ParseInteger(fields[3]));
    reference.requests = static_cast<std::uint64_t>(*perf::ParseInteger(fields[1]));
    reference.hits = static_cast<std::uint64_t>(*perf::ParseInteger(fields[6]));
    references[std::string(fields[0])].push_back(reference);
  }
  return references;
}

}  // namespace

TEST_CASE("hits on real traces equal the reference, hit for hit") {
  const std::string folder = test::SharedTraces();
  if (folder.empty()) return;
  const auto references = ReadReferences(folder);
  REQUIRE(references.size() == 14);
  double worst = 0;
  for (const auto& [trace, cells] : references) {
    // The long ones take minutes where each access is watched.
    if (kWatched && cells.front().requests > 200000) continue;
    const auto [file, format] = test::TraceOf(trace);
    SimOptions options;
    options.threads = 2;
    for (const Reference& reference : cells) options.cells.push_back(reference.cell);
    const auto rows = Simulate(OpenerOf(folder + "/" + file, {.format = format}), options);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      CAPTURE(trace);
      CAPTURE(rows[i].cell.policy);
      CAPTURE(rows[i].cell.size);
      CHECK(rows[i].requests == cells[i].requests);
      if (rows[i].cell.policy != "wtinylfu") {
        CHECK(rows[i].hits == cells[i].hits);
        continue;
      }
      // The reference says nothing of the hashes of its sketch: near is what can be had.
      const auto wanted =
          static_cast<double>(cells[i].hits) / static_cast<double>(cells[i].requests);
      worst = std::max(worst, std::abs(rows[i].HitRatio() - wanted));
      CHECK(std::abs(rows[i].HitRatio() - wanted) < 0.045);
    }
  }
  MESSAGE("wtinylfu: at most " << worst * 100 << " points away");
}

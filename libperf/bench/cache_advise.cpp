// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_advise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/bench/cache_trace.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/cache/mrc.hpp"
#include "libperf/cache/sim.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kAtOnce = 4;  // sizes of each policy in one pass over the trace
constexpr int kMostPasses = 6;
constexpr std::uint64_t kSample = 16'384;
/// What an entry costs beside key and value; kept below by the cache, measured by its tests.
constexpr std::uint64_t kOverhead = 64;

using Tried = std::map<std::string, std::vector<TriedSize>>;  // by policy

/// What the search knows of its trace.
struct Case {
  const CacheAdviseOptions& options;
  const Context& context;
  TraceFile& trace;
  cache::TraceSurvey survey;
  std::uint64_t most = 0;
};

/// The smallest one of those tried that reaches `wanted`.
const TriedSize* Smallest(const std::vector<TriedSize>& tried, double wanted) {
  const TriedSize* best = nullptr;
  for (const TriedSize& each : tried) {
    if (each.hit_ratio >= wanted && (best == nullptr || each.size < best->size)) best = &each;
  }
  return best;
}

/// Where to begin, from a sample of the keys: the sizes around the one that seems to do.
std::map<std::string, std::vector<std::uint64_t>> Begin(const Case& the) {
  cache::MrcOptions mrc;
  mrc.policies = the.options.policies;
  mrc.bytes = the.options.bytes;
  mrc.sample = kSample;
  mrc.points = 24;
  mrc.seed = the.context.seed;
  mrc.threads = the.options.threads;
  mrc.go_on = [&](std::uint64_t) { return !the.context.Stopped(); };
  std::map<std::string, std::vector<std::uint64_t>> begin;
  for (const cache::MissRatioCurve& curve : cache::MissRatioCurves(the.trace.Opener(), mrc)) {
    std::uint64_t guess = the.most;
    for (const cache::MrcPoint& point : curve.points) {
      if (1 - point.miss_ratio < the.options.hit_ratio) continue;
      guess = std::min(guess, point.size);
    }
    for (const double factor : {0.6, 0.85, 1.1, 1.5}) {
      const auto size = static_cast<std::uint64_t>(static_cast<double>(guess) * factor);
      begin[curve.policy].push_back(std::clamp<std::uint64_t>(size, 1, the.most));
    }
  }
  return begin;
}

/// One pass over the trace through all of these.
bool Simulate(const Case& the, const std::map<std::string, std::vector<std::uint64_t>>& sizes,
              Tried& tried, std::map<std::pair<std::string, std::uint64_t>, cache::SimRow>& rows) {
  cache::SimOptions sim;
  sim.threads = the.options.threads;
  sim.go_on = [&](std::uint64_t) { return !the.context.Stopped(); };
  for (const auto& [policy, list] : sizes) {
    for (const std::uint64_t size : std::set<std::uint64_t>(list.begin(), list.end())) {
      sim.cells.push_back({policy, size, the.options.bytes, the.context.seed});
    }
  }
  for (cache::SimRow& row : cache::Simulate(the.trace.Opener(), sim)) {
    if (the.context.Stopped()) return false;  // the rows are of a part of the trace
    tried[row.cell.policy].push_back({row.cell.size, row.HitRatio()});
    rows.insert_or_assign({row.cell.policy, row.cell.size}, row);
  }
  return true;
}

/// Where to look next, of those policies that may still be the best one.
std::map<std::string, std::vector<std::uint64_t>> Refine(const Case& the, const Tried& tried) {
  std::uint64_t best = the.most;
  for (const auto& [policy, list] : tried) {
    const TriedSize* smallest = Smallest(list, the.options.hit_ratio);
    if (smallest != nullptr) best = std::min(best, smallest->size);
  }
  std::map<std::string, std::vector<std::uint64_t>> sizes;
  for (const auto& [policy, list] : tried) {
    auto next = NextSizes(list, the.options.hit_ratio, the.most, kAtOnce);
    if (!next.empty() && next.front() <= best) sizes[policy] = std::move(next);
  }
  return sizes;
}

std::string Settings(const Case& the, const cache::SimRow& row) {
  const std::uint64_t gets = std::max<std::uint64_t>(row.requests, 1);
  const std::uint64_t mean = the.options.entry_bytes > 0 ? the.options.entry_bytes
                             : the.trace.HasSizes() ? std::max<std::uint64_t>(row.bytes / gets, 1)
                                                    : 0;
  const std::uint64_t size = row.cell.size;
  if (the.options.bytes) {
    // The cache counts its overhead, the trace did not.
    const std::uint64_t entries = size / std::max<std::uint64_t>(mean, 1) + 1;
    return fmt::format("CACHE_MEMORY_MAX_SIZE=0 CACHE_MEMORY_MAX_BYTES={} CACHE_POLICY={}",
                       size + entries * kOverhead, row.cell.policy);
  }
  const std::string bytes =
      mean > 0 ? fmt::format(" CACHE_MEMORY_MAX_BYTES={}", size * (mean + kOverhead)) : "";
  return fmt::format("CACHE_MEMORY_MAX_SIZE={}{} CACHE_POLICY={}", size, bytes, row.cell.policy);
}

/// One row a policy: its smallest size that does, or else its largest.
void AddRows(const Case& the, const Tried& tried,
             const std::map<std::pair<std::string, std::uint64_t>, cache::SimRow>& simulated,
             Findings& findings) {
  std::vector<std::pair<const cache::SimRow*, bool>> rows;
  const cache::SimRow* best = nullptr;
  double highest = 0;
  for (const std::string& policy : the.options.policies) {
    const auto found = tried.find(policy);
    if (found == tried.end() || found->second.empty()) continue;
    const TriedSize* smallest = Smallest(found->second, the.options.hit_ratio);
    const TriedSize& shown = smallest != nullptr
                                 ? *smallest
                                 : *std::max_element(found->second.begin(), found->second.end(),
                                                     [](const auto& a, const auto& b) {
                                                       return a.hit_ratio < b.hit_ratio;
                                                     });
    const cache::SimRow& row = simulated.at({policy, shown.size});
    rows.emplace_back(&row, smallest != nullptr);
    highest = std::max(highest, row.HitRatio());
    if (smallest != nullptr && (best == nullptr || row.cell.size < best->cell.size)) best = &row;
  }
  for (const auto& [row, reached] : rows) {
    Json json = Json::MakeObject();
    json["trace"] = the.trace.Name();
    json["policy"] = row->cell.policy;
    json["size"] = row->cell.size;
    json["hit_ratio"] = row->HitRatio();
    json["byte_hit_ratio"] = row->ByteHitRatio();
    json["reached"] = reached;
    json["recommended"] = row == best;
    json["requests"] = row->requests;
    json["hits"] = row->hits;
    json["bytes"] = row->cell.bytes;
    json["set"] = row == best ? Json(Settings(the, *row)) : Json();
    findings.AddRow(std::move(json));
  }
  findings.AtLeast("hit_ratio", highest, the.options.hit_ratio, "fraction", the.survey.requests);
}

}  // namespace

std::vector<std::uint64_t> NextSizes(const std::vector<TriedSize>& tried, double wanted,
                                     std::uint64_t most, std::size_t count) {
  const TriedSize* good = Smallest(tried, wanted);
  const std::uint64_t high = good != nullptr ? good->size : most + 1;
  std::uint64_t low = 0;  // the largest one below that does not do
  for (const TriedSize& each : tried) {
    if (each.size < high && each.hit_ratio < wanted) low = std::max(low, each.size);
  }
  if (high - low <= 1 || (good != nullptr && low > 0 && high - low <= high / 100)) return {};
  std::set<std::uint64_t> sizes;
  if (good == nullptr) sizes.insert(most);
  const double from = std::log(static_cast<double>(std::max<std::uint64_t>(low, 1)));
  const double to = std::log(static_cast<double>(high));
  for (std::size_t i = 1; i <= count; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count + 1);
    const auto size =
        static_cast<std::uint64_t>(std::llround(std::exp(from + share * (to - from))));
    if (size > low && size < high) sizes.insert(size);
  }
  if (sizes.empty()) sizes.insert(low + 1);
  return {sizes.begin(), sizes.end()};
}

load::Result CacheAdvise(const CacheAdviseOptions& options, const Context& context) {
  Findings findings("cachebench", "advise", context.seed);
  TraceFile trace(options.trace, options.format, true,
                  [&](const auto& text) { context.Phase(text); });
  context.Phase("counting the requests and the keys");
  const auto reader = trace.Opener()();
  if (!reader->Guess().empty()) context.Phase(reader->Guess());
  Case the{options, context, trace, cache::Survey(*reader), 0};
  if (the.survey.requests == 0) {
    throw ConfigError(fmt::format("{}: there are no requests in it", trace.Name()));
  }
  if (options.bytes && !trace.HasSizes()) {
    throw ConfigError(fmt::format("{}: --bytes, but the format {} tells no sizes", trace.Name(),
                                  cache::Name(trace.Format())));
  }
  // The count of keys is an estimate, hence the margin; of bytes only the sum over requests is
  // known.
  const std::uint64_t all =
      options.bytes ? the.survey.bytes : the.survey.distinct + the.survey.distinct / 20 + 1;
  the.most = options.max_size > 0 ? std::min(options.max_size, all) : all;

  Tried tried;
  std::map<std::pair<std::string, std::uint64_t>, cache::SimRow> rows;
  context.Phase("looking where to begin, on a sample of the keys");
  auto sizes = Begin(the);
  for (int pass = 0; pass < kMostPasses && !sizes.empty() && !context.Stopped(); ++pass) {
    context.Phase(fmt::format("simulating, pass {}", pass + 1));
    if (!Simulate(the, sizes, tried, rows)) break;
    sizes = Refine(the, tried);
  }
  AddRows(the, tried, rows, findings);
  return findings.Finish(context.Stopped());
}

std::string CacheLines(const load::Result& result) {
  if (!result.bench) return {};
  for (const Json& row : result.bench->rows) {
    const Json* set = row.Find("set");
    if (set == nullptr || !set->IsString()) continue;
    std::string lines = "\n";
    for (const std::string_view line : Split(set->AsString(), ' ')) lines.append(line).append("\n");
    return lines;
  }
  return {};
}

}  // namespace perf::bench

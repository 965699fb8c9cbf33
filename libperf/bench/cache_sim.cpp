// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_sim.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/bench/cache_trace.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/cache/sim.hpp"

namespace perf::bench {
namespace {

Json Row(const TraceFile& trace, const cache::SimRow& cell) {
  Json row = Json::MakeObject();
  row["trace"] = trace.Name();
  row["policy"] = cell.cell.policy;
  row["size"] = cell.cell.size;
  row["requests"] = cell.requests;
  row["hits"] = cell.hits;
  row["hit_ratio"] = cell.HitRatio();
  row["byte_hit_ratio"] = cell.ByteHitRatio();
  row["mreq_per_cpu_s"] = cell.cpu_seconds > 0
                              ? Json(static_cast<double>(cell.requests) / cell.cpu_seconds / 1e6)
                              : Json();
  row["evictions"] = cell.evictions;
  row["refused"] = cell.refused;
  row["metadata_bytes"] = cell.metadata_bytes;
  row["bytes"] = cell.cell.bytes;
  row["format"] = cache::Name(trace.Format());
  return row;
}

/// Of one trace and size.
void Judge(const CacheRequirement& wanted, const std::string& trace,
           const std::vector<cache::SimRow>& rows, Findings& findings) {
  for (const cache::SimRow& row : rows) {
    if (!wanted.policy.empty() && row.cell.policy != wanted.policy) continue;
    double limit = wanted.share;
    if (!wanted.than.empty()) {
      const auto peer = std::find_if(rows.begin(), rows.end(), [&](const cache::SimRow& other) {
        return other.cell.policy == wanted.than && other.cell.size == row.cell.size;
      });
      if (peer == rows.end()) continue;
      limit = peer->HitRatio() - wanted.share;
    }
    findings.AtLeast(fmt::format("{}@{} {} hit_ratio", trace, row.cell.size, row.cell.policy),
                     row.HitRatio(), limit, "fraction", row.requests);
  }
}

/// A requirement that judges nothing would pass in silence.
void CheckNames(const CacheSimOptions& options) {
  for (const CacheRequirement& wanted : options.requirements) {
    for (const std::string& name : {wanted.policy, wanted.than}) {
      const auto& known = options.policies;
      if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) continue;
      throw UsageError(
          fmt::format("--require {}: {} is not among the policies", wanted.text, name));
    }
  }
}

}  // namespace

CacheRequirement ParseRequirement(const std::string& text) {
  const auto wrong = [&] {
    return UsageError(
        fmt::format("--require {}: expected such as 48%, adaptive>=48% or adaptive>=lru-0.5%",
                    Excerpt(text, 60)));
  };
  CacheRequirement wanted;
  wanted.text = text;
  std::string_view bound = text;
  if (const std::size_t sign = bound.find(">="); sign != std::string_view::npos) {
    wanted.policy = std::string(Trim(bound.substr(0, sign)));
    bound = Trim(bound.substr(sign + 2));
    if (wanted.policy.empty()) throw wrong();
  }
  const std::optional<double> share = ParseFraction(bound);
  if (share) {
    wanted.share = *share;
  } else {
    const std::size_t minus = bound.find('-');
    wanted.than = std::string(Trim(bound.substr(0, minus)));
    if (wanted.policy.empty() || wanted.than.empty()) throw wrong();
    if (minus != std::string_view::npos) {
      const auto less = ParseFraction(Trim(bound.substr(minus + 1)));
      if (!less) throw wrong();
      wanted.share = *less;
    }
  }
  if (!(wanted.share >= 0 && wanted.share <= 1)) throw wrong();
  return wanted;
}

load::Result CacheSim(const CacheSimOptions& options, const Context& context) {
  if (options.traces.empty()) throw UsageError("sim: a trace is missing: --trace FILE");
  if (options.sizes.empty()) throw UsageError("sim: a size is missing: --size N[,N…]");
  CheckNames(options);
  Findings findings("cachebench", "sim", context.seed);
  const bool twice = std::any_of(options.policies.begin(), options.policies.end(),
                                 [](const std::string& name) { return cache::NeedsFuture(name); });
  for (const std::string& path : options.traces) {
    if (context.Stopped()) break;
    TraceFile trace(path, options.format, twice, [&](const auto& text) { context.Phase(text); });
    cache::SimOptions sim;
    for (const std::uint64_t size : options.sizes) {
      for (const std::string& policy : options.policies) {
        sim.cells.push_back({policy, size, options.bytes, context.seed});
      }
    }
    sim.threads = options.threads;
    sim.say = [&](const std::string& text) { context.Phase(trace.Name() + ": " + text); };
    sim.go_on = [&](std::uint64_t) { return !context.Stopped(); };
    const std::vector<cache::SimRow> rows = cache::Simulate(trace.Opener(), sim);
    for (const cache::SimRow& row : rows) findings.AddRow(Row(trace, row));
    for (const CacheRequirement& wanted : options.requirements) {
      Judge(wanted, trace.Name(), rows, findings);
    }
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench

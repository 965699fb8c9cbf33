// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_mrc.hpp"

#include <cmath>

#include "libperf/base/error.hpp"
#include "libperf/bench/cache_trace.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/cache/mrc.hpp"

namespace perf::bench {
namespace {

using Curves = std::vector<cache::MissRatioCurve>;

Json Row(const TraceFile& trace, const cache::MissRatioCurve& curve, const cache::MrcPoint& point,
         const cache::MrcPoint* exact) {
  Json row = Json::MakeObject();
  row["trace"] = trace.Name();
  row["policy"] = curve.policy;
  row["method"] = curve.method;
  row["size"] = point.size;
  row["miss_ratio"] = point.miss_ratio;
  row["error"] = exact != nullptr ? Json(point.miss_ratio - exact->miss_ratio) : Json();
  row["sampled"] = curve.sampled;
  row["requests"] = curve.requests;
  return row;
}

void AddRows(const TraceFile& trace, const Curves& curves, const Curves* exact,
             Findings& findings) {
  for (std::size_t i = 0; i < curves.size(); ++i) {
    for (std::size_t p = 0; p < curves[i].points.size(); ++p) {
      const cache::MrcPoint* peer = nullptr;
      if (exact != nullptr && i < exact->size() && p < (*exact)[i].points.size() &&
          (*exact)[i].points[p].size == curves[i].points[p].size) {
        peer = &(*exact)[i].points[p];
      }
      findings.AddRow(Row(trace, curves[i], curves[i].points[p], peer));
    }
  }
}

}  // namespace

load::Result CacheMrc(const CacheMrcOptions& options, const Context& context) {
  if (!options.exact && !options.sampled) throw UsageError("mrc: neither exact nor sampled");
  Findings findings("cachebench", "mrc", context.seed);
  TraceFile trace(options.trace, options.format, true,
                  [&](const auto& text) { context.Phase(text); });
  cache::MrcOptions mrc;
  mrc.policies = options.policies;
  mrc.sizes = options.sizes;
  mrc.points = options.points;
  mrc.bytes = options.bytes;
  mrc.seed = context.seed;
  mrc.threads = options.threads;
  mrc.say = [&](const std::string& text) { context.Phase(trace.Name() + ": " + text); };
  mrc.go_on = [&](std::uint64_t) { return !context.Stopped(); };
  Curves exact;
  if (options.exact) {
    exact = cache::MissRatioCurves(trace.Opener(), mrc);
    AddRows(trace, exact, nullptr, findings);
  }
  if (options.sampled && !context.Stopped()) {
    mrc.sample = options.sample;
    // The same sizes, so that the two can be compared.
    if (!exact.empty() && mrc.sizes.empty()) {
      for (const cache::MrcPoint& point : exact.front().points) mrc.sizes.push_back(point.size);
    }
    const Curves sampled = cache::MissRatioCurves(trace.Opener(), mrc);
    AddRows(trace, sampled, options.exact ? &exact : nullptr, findings);
  }
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/summary.hpp"

#include <cmath>

namespace perf::stats {

Summary Summarize(const Histogram& histogram, double per_ms) {
  // Divided, not multiplied by the reciprocal: 12345 / 1000 prints as 12.345.
  const auto at = [&](double q) {
    return static_cast<double>(histogram.ValueAtQuantile(q)) / per_ms;
  };
  Summary summary;
  summary.count = histogram.Count();
  summary.min = static_cast<double>(histogram.Min()) / per_ms;
  // Nanoseconds: more digits of a mean would only be noise in the result file.
  summary.mean = std::round(histogram.Mean() / per_ms * 1e6) / 1e6;
  summary.p50 = at(0.5);
  summary.p90 = at(0.9);
  summary.p95 = at(0.95);
  summary.p99 = at(0.99);
  summary.p999 = at(0.999);
  summary.max = static_cast<double>(histogram.Max()) / per_ms;
  return summary;
}

Json ToJson(const Summary& summary) {
  return Json(Json::Object{{"count", summary.count},
                           {"min_ms", summary.min},
                           {"mean_ms", summary.mean},
                           {"p50_ms", summary.p50},
                           {"p90_ms", summary.p90},
                           {"p95_ms", summary.p95},
                           {"p99_ms", summary.p99},
                           {"p999_ms", summary.p999},
                           {"max_ms", summary.max}});
}

}  // namespace perf::stats

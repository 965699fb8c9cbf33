// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/cache_chart.hpp"

#include <algorithm>

namespace perf::report {
namespace {

Chart::Curve& CurveOf(Chart& chart, const std::string& name) {
  const auto known = std::find_if(chart.curves.begin(), chart.curves.end(),
                                  [&](const Chart::Curve& curve) { return curve.name == name; });
  if (known != chart.curves.end()) return *known;
  return chart.curves.emplace_back(Chart::Curve{name, {}});
}

}  // namespace

Chart MissRatioChart(const load::Result& result) {
  Chart chart;
  chart.y_name = "miss ratio";
  chart.x_name = "size of the cache";
  if (!result.bench) return chart;
  for (const Json& row : result.bench->rows) {
    const Json* policy = row.Find("policy");
    const Json* size = row.Find("size");
    const Json* miss = row.Find("miss_ratio");
    if (policy == nullptr || size == nullptr || miss == nullptr) continue;
    if (const Json* trace = row.Find("trace")) chart.title = trace->ToText();
    const Json* sampled = row.Find("sampled");
    const bool exact = sampled == nullptr || sampled->AsDouble() >= 1;
    CurveOf(chart, policy->ToText() + (exact ? "" : ", sampled"))
        .points.emplace_back(size->AsDouble(), miss->AsDouble());
  }
  for (Chart::Curve& curve : chart.curves) std::sort(curve.points.begin(), curve.points.end());
  return chart;
}

}  // namespace perf::report

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "libperf/monitor/alerts/expression.hpp"
#include "libperf/monitor/alerts/series_store.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

/// Values by labels; NaN where samples are there but say nothing (0 / 0).
using Values = std::map<Labels, double>;

/// The expression at `now`, as Prometheus 2 would have it: windows include both ends, rates are
/// extrapolated to their window's ends, quantiles interpolated within a bucket. Written after the
/// description of these functions in Prometheus' documentation and held against promtool.
/// Throws: Error where it cannot be evaluated (histograms of different buckets in one sum).
/// Thread safety: pure.
Values Evaluate(const Expression& expression, const SeriesStore& store, WallTime now);

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "libperf/metrics/log_histogram.hpp"
#include "libperf/monitor/alerts/expression.hpp"
#include "libperf/monitor/alerts/series_store.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

/// What a function over a window makes of the samples in it; nothing where they are too few.
/// Thread safety: pure functions.
std::optional<double> OverWindow(Expression::Window window, const std::deque<Point>& points,
                                 Millis length, WallTime now);
/// The rate (or increase) of each bucket's cumulative count, the last being that of all; empty
/// where samples are too few.
std::vector<double> BucketRates(Expression::Window window, const std::deque<HistogramPoint>& points,
                                Millis length, WallTime now);
/// The quantile of cumulative counts, interpolated within its bucket; NaN where nothing was
/// counted.
double InterpolatedQuantile(double q, const metrics::Buckets& buckets,
                            const std::vector<double>& cumulative) noexcept;

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::report {

/// Every family that a monitor, pools, caches and audio export, as their own code names it: a
/// registry with one of each is asked, so that what is made of it cannot drift.
/// Thread safety: reentrant.
PERF_EXPORT metrics::MetricsSnapshot MetricCatalogue();

}  // namespace perf::report

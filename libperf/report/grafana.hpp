// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::report {

/// A Grafana dashboard (schema version 38) with a panel for each family of a snapshot, in rows by
/// area (perfkit_AREA_…): counters as rates, histograms as median and 99th percentile, gauges as
/// they are; one line for each set of labels that tells series apart. The data source and the job
/// are variables of the dashboard.
PERF_EXPORT Json GrafanaDashboard(const metrics::MetricsSnapshot& snapshot);

}  // namespace perf::report

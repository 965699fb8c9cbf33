// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"
#include "libperf/load/result.hpp"
#include "libperf/report/chart.hpp"

namespace perf::report {

/// The curves among the rows of `cachebench mrc`: one for each policy and way.
PERF_EXPORT Chart MissRatioChart(const load::Result& result);

}  // namespace perf::report

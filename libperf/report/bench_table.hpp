// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/load/result.hpp"
#include "libperf/report/style.hpp"

namespace perf::report {

/// What a person reads at the end of a benchmark: verdict, the checks that failed, the rows as a
/// table, the paths written. Columns that do not fit into `width` are left to the result's file.
PERF_EXPORT std::string BenchSummary(const load::Result& result, const Style& style,
                                     const std::vector<std::string>& written,
                                     std::size_t width = 120);

/// "PASS  poolbench micro: 12 checks hold, 24 rows, 45.2 s".
PERF_EXPORT std::string BenchVerdictLine(const load::Result& result, const Style& style);

}  // namespace perf::report

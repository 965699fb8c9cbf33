// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/load/result.hpp"
#include "libperf/report/style.hpp"

namespace perf::report {

/// What a person reads at the end of a run: verdict, thresholds with margins, flows and steps, what
/// failed, the generator's own health, the paths written. Plain text with line ends, at most 100
/// columns wide but for names and paths.
PERF_EXPORT std::string Summary(const load::Result& result, const Style& style,
                                const std::vector<std::string>& written);

/// The verdict in one line: "pass: 4 thresholds hold, 6,012 requests, 0 failed".
PERF_EXPORT std::string VerdictLine(const load::Result& result, const Style& style);

/// What became of the streams of audio, a few lines; empty where there were none.
PERF_EXPORT std::string AudioLines(const load::Result& result, const Style& style);

/// Milliseconds with three significant digits and a unit: "0.42 ms", "1.25 s".
PERF_EXPORT std::string FormatMs(double ms);
/// With thousands separators: "12,345".
PERF_EXPORT std::string Grouped(std::uint64_t number);

}  // namespace perf::report

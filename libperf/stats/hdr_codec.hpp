// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::stats {

/// The histogram in HdrHistogram's V2 compressed encoding, base64: what its log readers, plotters
/// and `histograms` of a result take. Thread safety: pure functions.
PERF_EXPORT std::string Encode(const Histogram& histogram);

/// The inverse. The encoding keeps counts only: minimum, maximum and mean of the copy are exact
/// to the histogram's resolution. Bounded: memory by the largest HistogramConfig (32 MiB of
/// counts), whatever the text says.
/// Throws: ConfigError for damaged or foreign input.
PERF_EXPORT Histogram Decode(std::string_view base64);

}  // namespace perf::stats

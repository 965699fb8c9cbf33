// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::stats {

/// What a result says of one clock, in fractional milliseconds; all zero when `count` is.
struct PERF_EXPORT Summary {
  std::uint64_t count = 0;
  double min = 0;
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
  friend bool operator==(const Summary&, const Summary&) = default;
};

/// `per_ms`: how many of the histogram's units are a millisecond; 1000 for microseconds.
PERF_EXPORT Summary Summarize(const Histogram& histogram, double per_ms = 1000);

/// The members of every time block of a result: count, min_ms, mean_ms, p50_ms … max_ms.
PERF_EXPORT Json ToJson(const Summary& summary);

}  // namespace perf::stats

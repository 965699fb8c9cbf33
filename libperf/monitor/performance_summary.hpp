// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/monitor/tracking/tracker.hpp"

namespace perf::monitor {

/// What operations of one kind did within a window. Percentiles are bounds of buckets: at most
/// 27 % too high. They are absent where nothing ended; infinite above 100 s.
struct OperationSummary {
  std::uint64_t ended = 0;
  std::uint64_t errors = 0;
  std::int64_t active = 0;
  double per_second = 0;              // throughput
  std::optional<double> error_ratio;  // 0 to 1
  std::optional<double> mean_s, p50_s, p95_s, p99_s;
};

/// One process at a glance.
struct PerformanceSummary {
  Duration window{};  // what the operations are counted over: up to app_interval
  OperationSummary requests, database, calls;
  std::optional<double> cpu_percent;          // of the machine, 0 to 100
  std::optional<double> process_cpu_percent;  // 100 is one processor
  std::optional<double> memory_used_percent;  // of the machine: what is not available
  std::optional<std::uint64_t> process_memory_bytes;
  bool cpu_high = false;     // the machine's is at cpu_threshold_percent or above
  bool memory_high = false;  // the process' is at memory_threshold_mb or above
  std::size_t targets_up = 0, targets_down = 0, targets_unknown = 0;
  std::size_t alerts = 0;  // active
};

/// {window_s, requests{…}, database{…}, external_calls{…}, system{…}, targets{…}, alerts}; times in
/// fractional milliseconds.
PERF_EXPORT Json ToJson(const PerformanceSummary& summary);

/// What happened between two readings of totals, `window` apart.
PERF_EXPORT OperationSummary Summarize(const OperationTotals& before, const OperationTotals& now,
                                       Duration window);

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/config/environment.hpp"

namespace perf::monitor {

/// What a Monitor looks at, and how often.
struct PerformanceConfig {
  Duration system_interval = std::chrono::seconds(30);  // PERF_SYSTEM_INTERVAL, 1 to 86400 s
  Duration app_interval = std::chrono::seconds(60);     // PERF_APP_INTERVAL; window of summaries
  std::uint64_t memory_threshold_mb = 512;              // PERF_MEMORY_THRESHOLD_MB, MiB, resident
  double cpu_threshold_percent = 80;                    // PERF_CPU_THRESHOLD, of the machine
  bool alerting_enabled = true;                         // PERF_ALERTING_ENABLED
  /// Between two samples of machine and processes in memory; the intervals above are steps of
  /// history.
  Duration sample_interval = std::chrono::seconds(1);

  /// The defaults, with what the environment says instead.
  /// Throws: ConfigError that names the variable.
  static PERF_EXPORT PerformanceConfig
  FromEnvironment(const config::Environment& environment = config::Environment());
};

/// Throws: ConfigError for what cannot work.
PERF_EXPORT void Validate(const PerformanceConfig& config);

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/monitor/system/system_sampler.hpp"
#include "libperf/report/status.hpp"

namespace perf::service {

struct SystemThresholds {
  double cpu_percent = 80;
  std::uint64_t memory_bytes = std::uint64_t{512} << 20;  // of this process
  double disk_used = 0.95;                                // of a mount
};

/// The rows "host" and "process" of a status, and one for each mount that is nearly full.
/// Thread safety: a pure function.
PERF_EXPORT std::vector<report::StatusRow> SystemRows(const monitor::SystemSnapshot& snapshot,
                                                      const SystemThresholds& thresholds);

/// A row that says what of the service itself fails, and why.
PERF_EXPORT report::StatusRow FailingRow(const std::string& name, const std::string& why);

}  // namespace perf::service

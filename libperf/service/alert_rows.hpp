// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/monitor/alerts/alert.hpp"
#include "libperf/report/status.hpp"

namespace perf::service {

/// Alerts as a status shows them: those that are pending or firing.
PERF_EXPORT std::vector<report::StatusAlert> AlertRows(
    const std::vector<monitor::alerts::Alert>& alerts, monitor::alerts::WallTime now);

}  // namespace perf::service

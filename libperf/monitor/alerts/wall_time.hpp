// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace perf::monitor::alerts {

/// Alerts live in wall time, in whole milliseconds as Prometheus: they are shown to people, stored,
/// and compared with samples of other machines. Nothing here reads a clock: `now` is a parameter.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using Millis = std::chrono::milliseconds;

}  // namespace perf::monitor::alerts

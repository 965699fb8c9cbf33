// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include "libperf/base/clock.hpp"

namespace perf::pool {

/// The time of perf::Clock as of the kernel's last tick, some milliseconds behind: for hot paths
/// that only stamp things, since it costs a quarter of the exact time.
/// Thread safety: all.
inline TimePoint CoarseNow() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + Duration(now.tv_nsec));
}

}  // namespace perf::pool

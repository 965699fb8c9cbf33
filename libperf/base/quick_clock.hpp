// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf {

/// The time of perf::Clock as of the kernel's last tick, some milliseconds behind: for hot paths
/// that only stamp things, since it costs an eighth of the exact time.
/// Thread safety: all.
inline TimePoint CoarseNow() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + Duration(now.tv_nsec));
}

/// The time of perf::Clock, exact to a microsecond, at a third of its price: extrapolated from the
/// processor's invariant time-stamp counter, where there is one, since this thread's last look at
/// the clock at most a millisecond ago.
/// Thread safety: all.
PERF_EXPORT TimePoint QuickNow() noexcept;

}  // namespace perf

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include "libperf/base/clock.hpp"

namespace perf {

/// What a clock of clock_gettime(2) shows; zero for one that is gone, such as that of a thread that
/// has ended. Thread safety: all.
inline Duration ReadClock(clockid_t clock) noexcept {
  timespec value{};
  if (::clock_gettime(clock, &value) != 0) return Duration::zero();
  return std::chrono::seconds(value.tv_sec) + std::chrono::nanoseconds(value.tv_nsec);
}

/// CPU time of the calling thread.
inline Duration ThreadCpu() noexcept { return ReadClock(CLOCK_THREAD_CPUTIME_ID); }
/// CPU time of the process, without its children.
inline Duration ProcessCpu() noexcept { return ReadClock(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace perf

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/time_source.hpp"

namespace perf::cache {

TimeSource::~TimeSource() = default;

TimePoint TimeSource::Now() const noexcept { return Clock::now(); }

std::int64_t TimeSource::WallMicros() const noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

const TimeSource& TimeSource::Real() noexcept {
  static const TimeSource real;
  return real;
}

}  // namespace perf::cache

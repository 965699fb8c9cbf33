// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::cache {

/// The clocks of a cache; a test puts its own in. Deadlines of waits are on the real clock always.
/// Thread safety: all methods.
class PERF_EXPORT TimeSource {
 public:
  virtual ~TimeSource();
  /// Steady: what entries in memory expire by.
  virtual TimePoint Now() const noexcept;
  /// Microseconds since 1970, may step: orders writes among processes, nothing expires by it.
  virtual std::int64_t WallMicros() const noexcept;
  /// The real ones.
  static const TimeSource& Real() noexcept;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::pool {

/// Gives each new resource the end of its lifetime: in the middle of the widest gap that the deaths
/// planned already leave in the jitter's window, whose end counts as joined to its beginning, give
/// or take a little noise; of gaps that are about as wide where there is most room around. So those
/// dialled at one time are spread evenly, and so are their successors, and those of pools that
/// share nothing.
/// Thread safety: none.
class PERF_EXPORT Lifetimes {
 public:
  explicit Lifetimes(std::uint64_t seed) noexcept : random_(seed) {}
  /// Between `now + most * (1 - jitter)` and `now + most`; jitter is clamped to [0, 1]. `planned`
  /// is sorted in place.
  TimePoint Next(Duration most, double jitter, TimePoint now, std::vector<TimePoint>& planned);

 private:
  Random random_;
};

}  // namespace perf::pool

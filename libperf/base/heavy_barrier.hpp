// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"

namespace perf {

/// The expensive side of an asymmetric fence (membarrier(2); as in liburcu and folly): makes every
/// running thread of the process pass a full barrier, so that the side that runs often needs none
/// between its store and its load.
/// Thread safety: all. A system call of about a microsecond.
class PERF_EXPORT HeavyBarrier {
 public:
  /// False where the kernel lacks it, or a tool cannot see it: then both sides need full barriers.
  static bool Works() noexcept;
  /// Requires: Works().
  static void Pass() noexcept;
};

}  // namespace perf

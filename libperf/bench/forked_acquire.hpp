// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/clock.hpp"
#include "libperf/pool/blocking_pool.hpp"

namespace perf::bench {

/// What a forked child got from its parent's pool.
struct ForkedAcquire {
  bool answered = false;
  bool lent = false;
  pool::Cause cause = pool::Cause::kNone;
  double ms = 0;
};

/// Forks; the child acquires from the pool, tells, and ends without destroying anything.
/// The child of a process with threads may only do what needs none of their locks: that a pool
/// refuses it so is what this shows. Throws: IoError when there can be no child.
ForkedAcquire AcquireInChild(pool::BlockingPool& pool, Duration patience);

}  // namespace perf::bench

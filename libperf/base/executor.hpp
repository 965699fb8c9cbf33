// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "libperf/base/export.hpp"

namespace perf {

/// Where a callback runs: an event loop or a thread.
/// Thread safety: Post may be called from any thread.
/// Lifetime: outlives everything that was given a reference to it.
class PERF_EXPORT Executor {
 public:
  virtual ~Executor();
  /// Runs `work` later on this executor, never inside the call.
  virtual void Post(std::function<void()> work) = 0;
};

}  // namespace perf

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "libperf/base/export.hpp"

namespace perf {

/// Per-thread free lists for coroutine frames: a step of a flow allocates several frames of few
/// sizes, and malloc would be a visible part of its cost.
/// Thread safety: a frame may be released on another thread than the one that allocated it;
/// it then joins that thread's list. Bounded: each list keeps at most 64 frames.
class PERF_EXPORT FrameCache {
 public:
  static void* Allocate(std::size_t size);
  static void Release(void* frame, std::size_t size) noexcept;
};

}  // namespace perf

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <new>

#include "libperf/base/export.hpp"

namespace perf {

/// Per-thread free lists for coroutine frames: a step of a flow allocates several frames of few
/// sizes, and malloc would be a visible part of its cost.
/// Thread safety: a frame may be released on another thread than the one that allocated it;
/// it then joins that thread's list. Bounded: each list keeps at most 64 frames.
class PERF_EXPORT FrameCache {
 public:
  static void* Allocate(std::size_t size) {
    const std::size_t index = ClassOf(size);
    if (index >= kClasses) return ::operator new(size);
    FreeFrame* const frame = lists_.head[index];
    if (frame == nullptr) return ::operator new((index + 1) * kStep);
    lists_.head[index] = frame->next;
    --lists_.kept[index];
    return frame;
  }
  static void Release(void* frame, std::size_t size) noexcept {
    const std::size_t index = ClassOf(size);
    if (index < kClasses && lists_.kept[index] < lists_.most_kept) {
      lists_.head[index] = new (frame) FreeFrame{lists_.head[index]};
      ++lists_.kept[index];
    } else {
      ReleaseSlowly(frame);
    }
  }

 private:
  struct FreeFrame {
    FreeFrame* next;
  };
  static constexpr std::size_t kStep = 128;
  static constexpr std::size_t kClasses = 16;  // frames up to 2 KiB; larger ones go to the heap
  static constexpr int kMostKept = 64;
  struct Lists {
    FreeFrame* head[kClasses];
    int kept[kClasses];
    int most_kept;  // 0 until the thread's sweeper stands, and again once it has gone
  };
  struct Sweeper;
  static constexpr std::size_t ClassOf(std::size_t size) noexcept {
    return (size + kStep - 1) / kStep - 1;
  }
  static void ReleaseSlowly(void* frame) noexcept;

  // Without the model each look would be a call into the dynamic linker: a tenth of a request.
  __attribute__((tls_model("initial-exec"))) static constinit thread_local Lists lists_;
};

}  // namespace perf

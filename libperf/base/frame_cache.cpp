// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/frame_cache.hpp"

namespace perf {
namespace {

// Sanitizers must see each frame's end of life, or they miss a use after it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCaching = false;
#else
constexpr bool kCaching = true;
#endif

}  // namespace

constinit thread_local FrameCache::Lists FrameCache::lists_{};

/// Gives the frames of a thread that ends back to the heap.
struct FrameCache::Sweeper {
  Sweeper() noexcept { lists_.most_kept = kMostKept; }
  ~Sweeper() {
    // A frame that a later thread-local destructor releases goes straight to the heap.
    lists_.most_kept = 0;
    for (FreeFrame*& head : lists_.head) {
      while (head != nullptr) {
        FreeFrame* const next = head->next;
        ::operator delete(head);
        head = next;
      }
    }
  }
};

void FrameCache::ReleaseSlowly(void* frame) noexcept {
  // The first one of a thread is not kept, only its successors are.
  if constexpr (kCaching) {
    thread_local const Sweeper sweeper;
  }
  ::operator delete(frame);
}

}  // namespace perf

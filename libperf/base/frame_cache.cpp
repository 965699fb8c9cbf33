// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/frame_cache.hpp"

#include <array>
#include <new>

namespace perf {
namespace {

constexpr std::size_t kStep = 128;
constexpr std::size_t kClasses = 16;  // frames up to 2 KiB; larger ones go to the heap
constexpr int kMostKept = 64;

struct FreeFrame {
  FreeFrame* next;
};

struct Lists {
  std::array<FreeFrame*, kClasses> head{};
  std::array<int, kClasses> kept{};
  ~Lists() {
    for (FreeFrame* frame : head) {
      while (frame != nullptr) {
        FreeFrame* next = frame->next;
        ::operator delete(frame);
        frame = next;
      }
    }
    // A frame released by a later thread-local destructor goes straight to the heap.
    kept.fill(kMostKept);
    head.fill(nullptr);
  }
};

thread_local Lists lists;

// Sanitizers must see each frame's end of life, or they miss a use after it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCaching = false;
#else
constexpr bool kCaching = true;
#endif

constexpr std::size_t ClassOf(std::size_t size) noexcept { return (size + kStep - 1) / kStep - 1; }

}  // namespace

void* FrameCache::Allocate(std::size_t size) {
  const std::size_t index = ClassOf(size);
  if (!kCaching || index >= kClasses) return ::operator new(size);
  if (FreeFrame* frame = lists.head[index]) {
    lists.head[index] = frame->next;
    --lists.kept[index];
    return frame;
  }
  return ::operator new((index + 1) * kStep);
}

void FrameCache::Release(void* frame, std::size_t size) noexcept {
  const std::size_t index = ClassOf(size);
  if (!kCaching || index >= kClasses || lists.kept[index] >= kMostKept) {
    ::operator delete(frame);
    return;
  }
  lists.head[index] = new (frame) FreeFrame{lists.head[index]};
  ++lists.kept[index];
}

}  // namespace perf

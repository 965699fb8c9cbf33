// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/curl_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <new>

#include "libperf/base/frame_cache.hpp"

namespace perf::backends {
namespace {

/// What stands before each piece, because curl does not say how large one is that it gives back.
struct alignas(std::max_align_t) Header {
  std::size_t size;  // of the piece
};

void Free(void* piece) {
  if (piece == nullptr) return;
  Header* const header = static_cast<Header*>(piece) - 1;
  FrameCache::Release(header, sizeof(Header) + header->size);
}

void* Allocate(std::size_t size) {
  if (size > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
  try {
    void* const at = FrameCache::Allocate(sizeof(Header) + size);
    return new (at) Header{size} + 1;
  } catch (const std::bad_alloc&) {
    return nullptr;  // curl knows what to do then
  }
}

void* AllocateZeroed(std::size_t count, std::size_t size) {
  if (size != 0 && count > std::numeric_limits<std::size_t>::max() / size) return nullptr;
  void* const piece = Allocate(count * size);
  if (piece != nullptr) std::memset(piece, 0, count * size);
  return piece;
}

void* Reallocate(void* piece, std::size_t size) {
  if (piece == nullptr) return Allocate(size);
  void* const next = Allocate(size);
  if (next == nullptr) return nullptr;
  std::memcpy(next, piece, std::min(size, (static_cast<Header*>(piece) - 1)->size));
  Free(piece);
  return next;
}

char* Duplicate(const char* text) {
  const std::size_t size = std::strlen(text) + 1;
  void* const piece = Allocate(size);
  return piece == nullptr ? nullptr : static_cast<char*>(std::memcpy(piece, text, size));
}

}  // namespace

CURLcode InitCurl() noexcept {
  return curl_global_init_mem(CURL_GLOBAL_DEFAULT, &Allocate, &Free, &Reallocate, &Duplicate,
                              &AllocateZeroed);
}

}  // namespace perf::backends

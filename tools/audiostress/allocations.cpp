// SPDX-License-Identifier: Apache-2.0
// malloc and its kin, counted: the linker puts the program's before those of the C library, so that
// what libraries ask for counts, too (operator new calls malloc). Only this program has it.
#include "allocations.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PERF_OWN_MALLOC 0
#elif defined(__has_feature)
#define PERF_OWN_MALLOC !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#else
#define PERF_OWN_MALLOC 1
#endif

#if PERF_OWN_MALLOC

namespace {

std::atomic<std::uint64_t> allocations{0};

void Count() noexcept { allocations.fetch_add(1, std::memory_order_relaxed); }
std::uint64_t Read() noexcept { return allocations.load(std::memory_order_relaxed); }

}  // namespace

extern "C" {

// How the C library names its own (malloc(3), "Replacing malloc" of its manual).
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  Count();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  Count();
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  Count();
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  Count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** to, std::size_t alignment, std::size_t size) {
  if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) {
    return EINVAL;
  }
  void* const memory = memalign(alignment, size);
  if (memory == nullptr) return ENOMEM;
  *to = memory;
  return 0;
}

}  // extern "C"

namespace perf::tool {
std::uint64_t (*CountedAllocations() noexcept)() noexcept { return &Read; }
}  // namespace perf::tool

#else

namespace perf::tool {
std::uint64_t (*CountedAllocations() noexcept)() noexcept { return nullptr; }
}  // namespace perf::tool

#endif

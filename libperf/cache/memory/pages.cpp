// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/pages.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace perf::cache {

PageSource::~PageSource() {
  for (void* region : regions_) munmap(region, kRegionPages * kPageBytes);
}

/// A mapping that begins where a huge page may; large caches ask for those, for most of what a
/// look-up waits for are the tables of small ones.
void* PageSource::Map(bool huge) {
  constexpr std::size_t kBytes = kRegionPages * kPageBytes;
  constexpr int kHow = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const all = mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE, kHow, -1, 0);
  if (all == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<std::uintptr_t>(all);
  const std::uintptr_t aligned = (start + kBytes - 1) / kBytes * kBytes;
  char* const region = static_cast<char*>(all) + (aligned - start);
  if (aligned != start) munmap(all, aligned - start);
  munmap(region + kBytes, kBytes - (aligned - start));
  if (huge) madvise(region, kBytes, MADV_HUGEPAGE);
  return region;
}

void* PageSource::Take() {
  const std::scoped_lock lock(mutex_);
  if (warm_.empty() && cold_.empty()) {
    regions_.reserve(regions_.size() + 1);
    cold_.reserve((regions_.size() + 1) * kRegionPages);
    warm_.reserve(kWarm);
    void* const region = Map(regions_.size() >= kSmallRegions);
    regions_.push_back(region);
    for (std::size_t i = kRegionPages; i > 0; --i) {
      cold_.push_back(static_cast<char*>(region) + (i - 1) * kPageBytes);
    }
  }
  std::vector<void*>& from = warm_.empty() ? cold_ : warm_;
  void* const page = from.back();
  from.pop_back();
  return page;
}

void PageSource::Give(void* page) noexcept {
  const std::scoped_lock lock(mutex_);
  if (warm_.size() < kWarm) {
    warm_.push_back(page);
    return;
  }
  madvise(page, kPageBytes, MADV_DONTNEED);
  cold_.push_back(page);  // room was reserved with the region
}

}  // namespace perf::cache

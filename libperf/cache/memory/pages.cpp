// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/pages.hpp"

#include <sys/mman.h>

#include <new>

namespace perf::cache {

PageSource::~PageSource() {
  for (void* region : regions_) munmap(region, kRegionPages * kPageBytes);
}

void* PageSource::Take() {
  const std::scoped_lock lock(mutex_);
  std::vector<void*>& from = warm_.empty() ? cold_ : warm_;
  if (from.empty()) {
    regions_.reserve(regions_.size() + 1);
    cold_.reserve((regions_.size() + 1) * kRegionPages);
    warm_.reserve(kWarm);
    void* const region = mmap(nullptr, kRegionPages * kPageBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) throw std::bad_alloc();
    regions_.push_back(region);
    for (std::size_t i = kRegionPages; i > 0; --i) {
      cold_.push_back(static_cast<char*>(region) + (i - 1) * kPageBytes);
    }
  }
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

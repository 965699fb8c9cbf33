// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace perf::cache {

/// Pages of 64 KiB for the arenas of one Memory, cut from larger mappings; what is given back and
/// not wanted soon goes back to the kernel.
/// Thread safety: all methods.
class PageSource {
 public:
  static constexpr std::size_t kPageBytes = 64 << 10;

  PageSource() = default;
  ~PageSource();
  PageSource(const PageSource&) = delete;
  PageSource& operator=(const PageSource&) = delete;

  /// Throws: std::bad_alloc.
  void* Take();
  void Give(void* page) noexcept;

 private:
  static constexpr std::size_t kRegionPages = 32;
  static constexpr std::size_t kWarm = 8;  // given back and kept as they are

  std::mutex mutex_;
  std::vector<void*> regions_;
  std::vector<void*> warm_, cold_;
};

}  // namespace perf::cache

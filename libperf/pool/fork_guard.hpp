// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "libperf/base/export.hpp"

namespace perf::pool {

/// Tells a process from the children it forks, by counting the forks between them.
/// Thread safety: all methods. A load, no system call; a child made by a bare clone() is not seen.
class PERF_EXPORT ForkGuard {
 public:
  /// Remembers this process.
  ForkGuard() noexcept;
  /// Whether the caller is a child of the process that made this.
  bool Forked() const noexcept { return born_ != generation_.load(std::memory_order_relaxed); }

 private:
  static std::atomic<std::uint64_t> generation_;
  std::uint64_t born_;
};

}  // namespace perf::pool

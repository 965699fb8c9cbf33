// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "libperf/base/clock.hpp"

namespace perf::bench {

/// Memory that forked processes share, zeroed at first.
/// Thread safety: that of what its user puts into it. Lifetime: unmapped with this object.
class SharedMemory {
 public:
  /// Throws: IoError.
  explicit SharedMemory(std::size_t bytes);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  void* Address() const noexcept { return address_; }

 private:
  void* address_;
  std::size_t bytes_;
};

/// Processes that do a piece of work each and end with it, or with this process.
/// Thread safety: none. Lifetime: made while the process has no other threads (it forks without
/// exec); the destructor kills those that are left.
class ForkCrew {
 public:
  /// `work(number)` runs in each child; a child whose work throws ends with a failure, and what it
  /// threw on standard error. Throws: IoError.
  ForkCrew(std::size_t processes, const std::function<void(std::size_t)>& work);
  ~ForkCrew();
  ForkCrew(const ForkCrew&) = delete;
  ForkCrew& operator=(const ForkCrew&) = delete;

  struct Ends {
    std::size_t well = 0;
    std::size_t failed = 0;   // the work threw
    std::size_t crashed = 0;  // ended by a signal
    std::size_t running = 0;
  };
  /// What has become of them by then, waiting until all have ended.
  Ends Await(Deadline deadline);

 private:
  std::vector<pid_t> running_;
  Ends ends_;
};

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/backends/loop.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"

namespace perf::load {

/// Notices that a loop's thread stood still although it wanted to run: a heartbeat each 10 ms that
/// comes late without the thread having used the time. Steal time in /proc shows nothing of this on
/// many hosts, so wall time is held against the thread's own CPU time. Thread safety: none, but
/// Stalled() after the loop has ended. Lifetime: borrows the loop.
class PERF_EXPORT StallWatch {
 public:
  explicit StallWatch(backends::EventLoop& loop) noexcept : loop_(loop) {}
  /// To be spawned on the loop; ends with EventLoop::CancelAll.
  Task<void> Watch(TimePoint from);
  /// The time lost so far, and the longest single stall.
  Duration Stalled() const noexcept { return stalled_; }
  Duration Longest() const noexcept { return longest_; }

 private:
  backends::EventLoop& loop_;
  Duration stalled_{};
  Duration longest_{};
};

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/executor.hpp"
#include "libperf/base/export.hpp"

namespace perf::cache {

/// The background of caches: timers on one thread, and a few workers for loads in the background.
/// Threads start with the first use.
/// Thread safety: all methods. Lifetime: longer than every cache that shares it; its destructor
/// drops timers that are not due, and runs what was posted.
class PERF_EXPORT Upkeep : public Executor {
 public:
  using TimerId = std::uint64_t;

  /// workers: 1 to 256. Throws: ConfigError.
  explicit Upkeep(int workers = 2);
  ~Upkeep() override;
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  /// On one of the workers; must not throw.
  void Post(std::function<void()> work) override;
  /// Runs `work` on the timer thread, at `at` or soon after; must be quick and not throw. Never 0.
  TimerId At(TimePoint at, std::function<void()> work);
  /// False: it runs, has run or never was.
  bool Cancel(TimerId id);

 private:
  void RunTimers();
  void RunWork();

  const int limit_;
  std::mutex mutex_;
  std::condition_variable timer_changed_;
  std::condition_variable work_changed_;
  bool stopping_ = false;
  TimerId next_ = 1;
  std::map<std::pair<TimePoint, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, TimePoint> due_;
  std::deque<std::function<void()>> work_;
  int idle_ = 0;
  std::thread timer_;
  std::vector<std::thread> workers_;
};

}  // namespace perf::cache

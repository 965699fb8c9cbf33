// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "libperf/backends/loop.hpp"

namespace perf::backends::test {

/// Ends a loop that would otherwise hang for ever, so that a fault is a failed check and not a
/// test that never returns. Nothing is asserted about time.
class Watchdog {
 public:
  explicit Watchdog(EventLoop& loop)
      : thread_([this, &loop](const std::stop_token& stop) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any never;
          never.wait_for(lock, stop, std::chrono::seconds(20), [] { return false; });
          if (stop.stop_requested()) return;
          bitten_ = true;
          loop.Post([&loop] { loop.CancelAll(); });
          loop.Stop();
        }) {}
  /// Whether the loop had to be ended.
  bool Bitten() const noexcept { return bitten_; }

 private:
  std::atomic<bool> bitten_{false};
  std::jthread thread_;
};

}  // namespace perf::backends::test

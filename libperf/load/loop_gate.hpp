// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/base/executor.hpp"

namespace perf::load {

/// The way from other threads to a loop that may have ended: what comes then is dropped unrun, so
/// that whoever waits for it (a load of a cache) learns from its destruction.
/// Thread safety: Post from any thread, the rest on the loop's thread, or when it does not run.
/// Lifetime: may outlive the loop once it is closed.
class LoopGate final : public Executor {
 public:
  explicit LoopGate(backends::EventLoop& loop) : loop_(&loop) {}
  void Post(std::function<void()> work) override;
  /// Nothing runs any more; drops what waits.
  void Close();

 private:
  void RunAll();

  std::mutex mutex_;
  backends::EventLoop* loop_;  // nullptr: closed
  std::vector<std::function<void()>> work_;
};

}  // namespace perf::load

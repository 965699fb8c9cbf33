// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>

#include "libperf/audio/stream.hpp"

namespace perf::audio {

/// The awaiter of Stream::WaitOn: `co_await stream.WaitOn(executor, kind, deadline)`.
/// Lifetime: of the awaiting coroutine, which is not destroyed while it waits.
class StreamWait {
 public:
  StreamWait(Stream& stream, Executor& executor, WaitKind kind, Deadline deadline) noexcept
      : stream_(stream), executor_(executor), kind_(kind), deadline_(deadline) {}
  bool await_ready() noexcept {
    readiness_ = stream_.Look(kind_);
    return readiness_ != Readiness::kNotYet;
  }
  void await_suspend(std::coroutine_handle<> handle) {
    stream_.WaitAsync(kind_, deadline_, executor_, [this, handle](Readiness readiness) {
      readiness_ = readiness;
      handle.resume();
    });
  }
  Readiness await_resume() const noexcept { return readiness_; }

 private:
  Stream& stream_;
  Executor& executor_;
  WaitKind kind_;
  Deadline deadline_;
  Readiness readiness_ = Readiness::kNotYet;
};

}  // namespace perf::audio

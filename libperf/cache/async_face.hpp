// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/executor.hpp"
#include "libperf/cache/upkeep.hpp"

namespace perf::cache {

/// One asynchronous call: its result goes to `done` on the executor, once; whoever ends it first
/// wins. While the call itself runs the result is kept, to be returned by it. Thread safety: all
/// methods.
template <typename Result>
class AsyncCall : public std::enable_shared_from_this<AsyncCall<Result>> {
 public:
  AsyncCall(std::shared_ptr<Upkeep> upkeep, Executor* executor, std::function<void(Result)> done)
      : upkeep_(std::move(upkeep)), executor_(executor), done_(std::move(done)) {}

  /// True: this was the first.
  bool Finish(Result result) {
    std::function<void(Result)> done;
    Upkeep::TimerId timer = 0;
    {
      const std::lock_guard lock(mutex_);
      if (finished_) return false;
      finished_ = true;
      timer = std::exchange(timer_, 0);
      if (inside_) {
        kept_ = std::move(result);
        return true;
      }
      done = std::move(done_);
    }
    if (timer != 0) upkeep_->Cancel(timer);
    Tell(std::move(done), std::move(result));
    return true;
  }

  /// The call returns: its result if it has ended, else `late` is called at the deadline.
  std::optional<Result> Return(Deadline deadline, std::function<void()> late) {
    const std::lock_guard lock(mutex_);
    inside_ = false;
    if (finished_) return std::move(kept_);
    if (!deadline.IsNever()) timer_ = upkeep_->At(deadline.At(), std::move(late));
    return std::nullopt;
  }

 private:
  void Tell(std::function<void(Result)> done, Result result) {
    if (!done) return;
    if (executor_ == nullptr) {
      done(std::move(result));
      return;
    }
    executor_->Post([done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

  const std::shared_ptr<Upkeep> upkeep_;
  Executor* const executor_;
  std::mutex mutex_;
  bool inside_ = true;
  bool finished_ = false;
  Upkeep::TimerId timer_ = 0;
  std::optional<Result> kept_;
  std::function<void(Result)> done_;
};

}  // namespace perf::cache

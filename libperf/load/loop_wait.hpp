// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

#include "libperf/backends/alarm.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/clock.hpp"

namespace perf::load {

/// One answer that a coroutine of a loop waits for and that somebody else gives, on the same loop:
/// `auto wait = std::make_shared<LoopWait<T>>(loop, deadline)`, hand copies to who gives it, then
/// `std::optional<T> answer = co_await wait->Answer()`. Nothing when the deadline passes first, or
/// with EventLoop::CancelAll; what is given then is dropped.
/// Thread safety: none; the loop's thread. Lifetime: by shared_ptr; borrows the loop.
template <typename T>
class LoopWait {
 public:
  LoopWait(backends::EventLoop& loop, Deadline deadline)
      : loop_(loop), deadline_(deadline), alarm_(loop, [this] { Resume(); }) {}

  void Give(T answer) {
    if (over_) return;
    answer_.emplace(std::move(answer));
    Resume();
  }

  /// A reference, for g++ 12 would copy what it awaits.
  struct Awaiter {
    LoopWait& wait;
    bool await_ready() const noexcept { return wait.answer_.has_value(); }
    void await_suspend(std::coroutine_handle<> handle) const {
      wait.waiting_ = handle;
      wait.alarm_.Arm(wait.deadline_);
    }
    std::optional<T> await_resume() const {
      wait.over_ = true;
      wait.alarm_.Disarm();
      return std::move(wait.answer_);
    }
  };
  /// Once, by one coroutine.
  Awaiter Answer() noexcept { return Awaiter{*this}; }

 private:
  /// Not at once: the alarm's own callback, or the giver, is still running.
  void Resume() {
    if (const auto handle = std::exchange(waiting_, {})) loop_.Schedule(handle);
  }

  backends::EventLoop& loop_;
  const Deadline deadline_;
  backends::Alarm alarm_;
  std::optional<T> answer_;
  std::coroutine_handle<> waiting_;
  bool over_ = false;
};

}  // namespace perf::load

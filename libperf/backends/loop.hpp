// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>

#include "libperf/backends/alarm.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/executor.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"

namespace boost::asio {
class io_context;
}

namespace perf::backends {

class Poller;

/// One thread's event loop: sockets on one epoll set, precise wake-ups on one absolute timerfd,
/// coarse deadlines on a wheel, and an asio::io_context for whoever brings Asio objects along.
/// Thread safety: Post and Stop from any thread; everything else only on the thread in Run.
/// Lifetime: outlives all that refers to it; connections are destroyed before it.
class PERF_EXPORT EventLoop final : public Executor {
 public:
  EventLoop();
  ~EventLoop() override;

  /// The sockets of this loop.
  Poller& Sockets() noexcept;
  /// For Asio's own objects; a loop on which nobody has asked for it spends nothing on Asio.
  boost::asio::io_context& Context();
  void Post(std::function<void()> work) override;

  /// Runs until Stop. Throws: what a spawned task threw first; handlers must not throw.
  void Run();
  void Stop();
  /// After Run: goes on until no spawned task lives or the deadline has passed; whether none does.
  /// Call CancelAll first.
  bool Drain(Deadline deadline);

  /// Starts a task that lives until its end and is counted in Live(). Its first exception stops
  /// the loop and comes out of Run.
  void Spawn(Task<void> task);
  std::size_t Live() const noexcept;
  /// Resumes `handle` on the next turn, never inside the call: so that a long chain of hand-overs
  /// does not grow the stack.
  void Schedule(std::coroutine_handle<> handle);
  /// Calls `work` on the next turn; as Post, but from the loop's own thread and sooner.
  void Soon(std::function<void()> work);

  /// Calls `on_wake(now)` on the loop at each instant that it asked for: `on_wake` returns the
  /// next one (TimePoint::max() for none). It is also called whenever the loop turns and
  /// that instant has come, so that a busy loop needs no kernel timer. One at a time.
  void SetPacer(TimePoint first, std::function<TimePoint(TimePoint now)> on_wake);
  /// Moves the pacer's instant, e.g. to now.
  void WakePacerAt(TimePoint at);

  /// `co_await loop.SleepUntil(at)`: resumes at `at` (some tens of µs late on an idle machine), or
  /// at once after CancelAll.
  struct Sleep {
    EventLoop& loop;
    TimePoint at;
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> handle) const;
    void await_resume() const noexcept {}
  };
  Sleep SleepUntil(TimePoint at) noexcept { return Sleep{*this, at}; }

  /// Ends every wait: all alarms and sleeps, present and future, expire at once. This is how a
  /// drain that ran out of time unwinds its tasks.
  void CancelAll();
  bool Cancelled() const noexcept;

 private:
  friend class Alarm;
  struct Parts;
  void Turn();
  Task<void> Guard(Task<void> task);
  bool SpinWorthwhile(TimePoint now) noexcept;
  std::size_t PollAfterYield(TimePoint now);
  std::size_t PollAsio();
  std::size_t Wait(Duration longest);
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::backends

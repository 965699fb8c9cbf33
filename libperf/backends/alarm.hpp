// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

class EventLoop;

/// A member of one of the wheel's circular lists.
struct AlarmLink {
  AlarmLink* next = this;
  AlarmLink* previous = this;
  AlarmLink() noexcept = default;
  AlarmLink(const AlarmLink&) = delete;
  AlarmLink& operator=(const AlarmLink&) = delete;
  bool Alone() const noexcept { return next == this; }
  void Unlink() noexcept;
  void LinkBefore(AlarmLink& position) noexcept;
};

/// A coarse deadline for requests: fires up to 8 ms late, never early, and costs some nanoseconds
/// to arm and disarm, because requests nearly always end before it (a kernel timer per request
/// costs 20-30 µs on virtual machines).
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: borrows the loop; disarms itself when destroyed. `on_expire` runs on the loop,
/// outside of any other callback, and may arm it again or destroy it.
class PERF_EXPORT Alarm : private AlarmLink {
 public:
  Alarm(EventLoop& loop, std::function<void()> on_expire);
  ~Alarm();
  /// Replaces an earlier deadline. Deadline::Never() only fires at EventLoop::CancelAll.
  void Arm(Deadline deadline);
  void Disarm() noexcept { Unlink(); }
  bool Armed() const noexcept { return !Alone(); }

 private:
  friend class AlarmWheel;
  EventLoop& loop_;
  std::function<void()> on_expire_;
  Deadline deadline_ = Deadline::Never();
};

/// The alarms of one loop: a hashed wheel (Varghese and Lauck, 1987) of 1,024 slots of 8 ms.
/// A deadline past the wheel's turn waits in its last slot and is placed again from there.
/// Thread safety: none. Lifetime: outlives its alarms.
class AlarmWheel {
 public:
  explicit AlarmWheel(TimePoint start) noexcept : start_(start) {}
  void Insert(Alarm& alarm, TimePoint now);
  /// Fires what is due; callbacks may insert and remove alarms.
  void Advance(TimePoint now);
  /// Fires all, due or not, and from now on each at the next Advance.
  void ExpireAll();
  /// When Advance is needed next; TimePoint::max() when nothing is armed.
  TimePoint NextTick() noexcept;

 private:
  static constexpr std::size_t kSlots = 1024;
  static constexpr Duration kTick = std::chrono::milliseconds(8);
  std::uint64_t TickOf(TimePoint at) const noexcept;
  void FireList(AlarmLink& list, TimePoint now);

  TimePoint start_;
  std::uint64_t current_ = 0;  // the first tick that has not been fired
  bool expire_all_ = false;
  std::array<std::uint64_t, kSlots / 64> occupied_{};  // may say 1 for a slot emptied since
  std::array<AlarmLink, kSlots> slots_;
  AlarmLink never_;
};

}  // namespace perf::backends

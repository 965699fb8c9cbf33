// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"
#include "libperf/pool/limits.hpp"

namespace perf::pool {

/// Exponential backoff after failed dials, with equal jitter: half fixed, half random, so that
/// clients of one server spread out.
/// Thread safety: none.
class PERF_EXPORT Backoff {
 public:
  explicit Backoff(std::uint64_t seed) noexcept : random_(seed) {}
  void Failed(const Limits& limits, TimePoint now) noexcept;
  void Succeeded() noexcept { failures_in_row_ = 0; }
  bool Failing() const noexcept { return failures_in_row_ > 0; }
  /// No dial may start before this instant.
  TimePoint RetryAt() const noexcept { return retry_at_; }
  bool Pausing(TimePoint now) const noexcept { return Failing() && now < retry_at_; }

 private:
  Random random_;
  int failures_in_row_ = 0;
  TimePoint retry_at_{};
};

/// Decides how many dials the waiters are worth. A dial helps a waiter only if it takes less time
/// than the returns of the connections that are there take to reach it; so the plan watches the
/// returns for an eighth of a dial's time (at most Limits::patience_most) before it starts any:
/// - nothing is open: a dial for each waiter, at once;
/// - otherwise as many waiters as returned within the last dial's time are left to the returns,
///   less if the returns have become rarer, and each of the others is worth a dial;
/// - once the queue stood for a dial's time in sum (time without a queue pays an eighth of it
///   back), each waiter is worth one: that is what a burst's dials would have taken.
/// Thread safety: none.
class PERF_EXPORT DialPlan {
 public:
  struct View {
    std::size_t waiting = 0;
    std::size_t open = 0;        // resources that can return
    std::uint64_t returned = 0;  // since the pool was made
  };
  /// The queue became empty, or ceased to be.
  void QueueChanged(bool empty, TimePoint now) noexcept;
  /// How many dials should be under way for the waiters, those that are already included.
  std::size_t Wanted(const View& view, const Limits& limits, TimePoint now) noexcept;
  /// When Wanted may say more although nothing happens; TimePoint::max() when it will not.
  TimePoint Next() const noexcept { return next_; }
  void Took(Duration dial) noexcept;
  Duration ConnectTime() const noexcept { return connect_time_; }

 private:
  struct Mark {
    TimePoint at{};
    std::uint64_t returned = 0;
  };
  static constexpr std::size_t kMarks = 8;  // one each patience: together a dial's time
  Duration Dial() const noexcept;
  void Age(TimePoint now) noexcept;
  double Covered(std::uint64_t returned, const Mark& lately, TimePoint now) const noexcept;
  const Mark& Latest(std::size_t back) const noexcept;

  Duration connect_time_{};
  bool queue_ = false;
  bool promised_ = false;  // since the queue began, Wanted said that all get one
  TimePoint aged_{};
  Duration stood_{};  // how long there was a queue
  TimePoint next_ = TimePoint::max();
  std::array<Mark, kMarks> marks_{};
  std::size_t used_ = 0;  // marks since the queue began; marks_ is a ring
};

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace perf {

/// The one clock of a run: monotonic, nanoseconds; CLOCK_MONOTONIC on Linux.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = std::chrono::nanoseconds;

/// `start + length`, clamped to the clock's range instead of overflowing.
/// Negative lengths count as zero: a deadline never lies before its start.
constexpr TimePoint Saturated(TimePoint start, Duration length) noexcept {
  if (length <= Duration::zero()) return start;
  const auto room = TimePoint::max() - start;
  return length > room ? TimePoint::max() : start + length;
}

/// The end of a wait; every wait in perfkit takes one.
/// Thread safety: a value. `Never()` is for waits whose end another deadline guarantees.
class Deadline {
 public:
  constexpr explicit Deadline(TimePoint at) noexcept : at_(at) {}
  static constexpr Deadline Never() noexcept { return Deadline(TimePoint::max()); }
  static constexpr Deadline After(TimePoint now, Duration length) noexcept {
    return Deadline(Saturated(now, length));
  }

  constexpr TimePoint At() const noexcept { return at_; }
  constexpr bool IsNever() const noexcept { return at_ == TimePoint::max(); }
  constexpr bool Passed(TimePoint now) const noexcept { return now >= at_; }
  /// Never negative.
  constexpr Duration Remaining(TimePoint now) const noexcept {
    return now >= at_ ? Duration::zero() : at_ - now;
  }
  friend constexpr bool operator==(Deadline, Deadline) = default;
  friend constexpr auto operator<=>(Deadline, Deadline) = default;

 private:
  TimePoint at_;
};

/// The sooner of two.
constexpr Deadline Sooner(Deadline a, Deadline b) noexcept { return a.At() < b.At() ? a : b; }

/// Fractional milliseconds, the time unit of every result.
constexpr double ToMs(Duration d) noexcept { return static_cast<double>(d.count()) / 1e6; }

}  // namespace perf

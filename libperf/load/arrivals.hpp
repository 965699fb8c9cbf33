// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::load {

enum class Spacing { kEven, kPoisson };

/// An open load's plan: rate from `from` to `to` (per second, linear) over `length`.
/// Lifetime: a value.
struct ArrivalPlan {
  double from = 0;
  double to = 0;
  Duration length{};
  Spacing spacing = Spacing::kEven;
  std::uint64_t seed = 0;
};

/// The intended start of each arrival, one after another; they never depend on replies.
/// Even: the k-th arrival (k = 0, 1, …) stands where the integral of the rate reaches k + 1/2,
/// so that a constant rate R over T gives exactly round(R·T) and a ramp 0→R gives
/// round(R·T/2); no error accumulates. Poisson: exponential steps of the same integral
/// (time-rescaling theorem), seeded.
/// Thread safety: none. With `stride` n and `offset` i the sequence yields each n-th arrival from
/// the i-th (for n loops); all n together are the whole plan, each with its run-wide index.
class PERF_EXPORT Arrivals {
 public:
  struct Arrival {
    Duration at;  // from the start of the load
    std::int64_t index;
  };
  /// Throws: ConfigError for a rate outside [0, 10^9], a negative length, a stride below 1 or an
  /// offset outside [0, stride).
  explicit Arrivals(const ArrivalPlan& plan, std::int64_t stride = 1, std::int64_t offset = 0);
  /// Nothing after the last.
  std::optional<Arrival> Next();
  /// How many the plan intends in all: exact for even spacing, the expectation for Poisson.
  double Planned() const noexcept;
  /// How many the plan intends before `elapsed` (expectation for Poisson); all from its end on.
  double PlannedUntil(Duration elapsed) const noexcept;

 private:
  double RateIntegral(Duration elapsed) const noexcept;
  Duration TimeOf(double integral) const noexcept;
  std::optional<Arrival> NextPoisson();

  ArrivalPlan plan_;
  std::int64_t stride_;
  std::int64_t offset_;
  double total_;        // of the rate's integral over the whole length
  std::int64_t count_;  // even spacing: how many there are
  std::int64_t next_index_ = 0;
  double integral_ = 0;  // Poisson: of the last one drawn
  Random random_;
};

}  // namespace perf::load

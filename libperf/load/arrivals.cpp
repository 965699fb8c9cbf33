// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/arrivals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "libperf/base/error.hpp"

namespace perf::load {
namespace {

constexpr double kNsPerSecond = 1e9;
// One a nanosecond, the clock's step.
constexpr double kHighestRate = 1e9;

double Seconds(Duration d) noexcept { return static_cast<double>(d.count()) / kNsPerSecond; }

void CheckRate(double rate) {
  if (!(rate >= 0 && rate <= kHighestRate)) {  // also false for NaN
    throw ConfigError(fmt::format("an arrival rate must be from 0/s to 1e9/s, not {}", rate));
  }
}

/// How long, in ns, a rate that starts at `rate` (per second, >= 0) and grows by `slope`
/// (per second², >= 0) takes to sum up to `amount`. This form of the root of the quadratic
/// subtracts nothing, so it loses no digits.
double TimeToSum(double amount, double rate, double slope) noexcept {
  if (amount <= 0) return 0;
  return 2 * amount * kNsPerSecond / (rate + std::sqrt(rate * rate + 2 * slope * amount));
}

}  // namespace

Arrivals::Arrivals(const ArrivalPlan& plan, std::int64_t stride, std::int64_t offset)
    : plan_(plan), stride_(stride), offset_(offset), random_(plan.seed) {
  CheckRate(plan.from);
  CheckRate(plan.to);
  if (plan.length < Duration::zero()) throw ConfigError("a load's length must not be negative");
  if (stride < 1 || offset < 0 || offset >= stride) {
    throw ConfigError(fmt::format("no loop {} of {}", offset, stride));
  }
  // The bound keeps the count within its type; it is above ten years at the highest rate.
  total_ = std::min((plan.from + plan.to) / 2 * Seconds(plan.length), 9e18);
  // k + 1/2 <= total holds for exactly round(total) values of k.
  count_ = std::llround(total_);
  if (plan.spacing == Spacing::kEven) next_index_ = offset;
}

double Arrivals::RateIntegral(Duration elapsed) const noexcept {
  if (elapsed >= plan_.length) return total_;
  if (elapsed <= Duration::zero()) return 0;
  const double share =
      static_cast<double>(elapsed.count()) / static_cast<double>(plan_.length.count());
  const double rate_now = plan_.from + (plan_.to - plan_.from) * share;
  return (plan_.from + rate_now) / 2 * Seconds(elapsed);
}

Duration Arrivals::TimeOf(double integral) const noexcept {
  const auto length = static_cast<double>(plan_.length.count());
  const double slope = std::abs(plan_.to - plan_.from) / Seconds(plan_.length);
  // A falling ramp is solved backwards from its end: forwards its root subtracts two nearly
  // equal numbers there, which costs microseconds.
  const double ns = plan_.to >= plan_.from ? TimeToSum(integral, plan_.from, slope)
                                           : length - TimeToSum(total_ - integral, plan_.to, slope);
  return Duration(
      std::clamp<Duration::rep>(std::llround(std::min(ns, length)), 0, plan_.length.count()));
}

std::optional<Arrivals::Arrival> Arrivals::Next() {
  if (plan_.spacing == Spacing::kPoisson) return NextPoisson();
  if (next_index_ >= count_) return std::nullopt;
  const std::int64_t index = next_index_;
  next_index_ += stride_;
  return Arrival{TimeOf(static_cast<double>(index) + 0.5), index};
}

std::optional<Arrivals::Arrival> Arrivals::NextPoisson() {
  // Each loop draws the whole sequence and keeps its own part: the plan does not depend on how
  // many loops there are, and a draw is far cheaper than a request.
  for (;;) {
    if (integral_ >= total_) return std::nullopt;
    integral_ += random_.Exponential();
    if (integral_ >= total_) return std::nullopt;
    const std::int64_t index = next_index_++;
    if (index % stride_ == offset_) return Arrival{TimeOf(integral_), index};
  }
}

double Arrivals::Planned() const noexcept {
  return plan_.spacing == Spacing::kEven ? static_cast<double>(count_) : total_;
}

double Arrivals::PlannedUntil(Duration elapsed) const noexcept {
  const double integral = RateIntegral(elapsed);
  if (plan_.spacing == Spacing::kPoisson) return integral;
  if (elapsed >= plan_.length) return static_cast<double>(count_);
  // Settled by the times themselves, so that it agrees with Next() to the nanosecond.
  std::int64_t count = std::min(static_cast<std::int64_t>(integral + 0.5), count_);
  const auto before = [&](std::int64_t k) {
    return TimeOf(static_cast<double>(k) + 0.5) < elapsed;
  };
  while (count < count_ && before(count)) ++count;
  while (count > 0 && !before(count - 1)) --count;
  return static_cast<double>(count);
}

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::load {

enum class Aggregation { kAvg, kMin, kMax, kMed, kPercentile, kCount, kRate, kValue };
enum class Comparison { kLess, kLessEqual, kGreater, kGreaterEqual, kEqual, kNotEqual };
/// What a metric is, which decides the aggregations it has and what a bare number means:
/// trend (times; bare numbers are milliseconds): avg min max med p(N); counter: count, rate;
/// rate (fractions): rate; gauge: value; ratio (0 to 1): value. `count` also holds for trends and
/// rates (their samples).
enum class MetricType { kTrend, kCounter, kRate, kGauge, kRatio };

/// `aggregation operator number`, k6's grammar with units: "p(99) < 250ms", "rate<1%",
/// "count == 0"; operators < <= > >= == === !=.
struct PERF_EXPORT Condition {
  Aggregation aggregation = Aggregation::kValue;
  double percentile = 0;  // of kPercentile, 0 to 100
  Comparison comparison = Comparison::kLess;
  double limit = 0;  // milliseconds for times, fraction for rates with %, as written otherwise
  enum class Unit { kNone, kTime, kPercent, kBytes, kPerSecond } unit = Unit::kNone;

  /// Throws: ConfigError that quotes the text and says what was expected.
  static Condition Parse(std::string_view text);
  bool Holds(double observed) const noexcept;
  /// Whether the aggregation and the unit fit the type; otherwise what to say.
  std::optional<std::string> MisfitFor(MetricType type) const;
};

/// A condition on a metric path: "latency: p(99) < 250ms", "steady.guest.service_time: p(95)<20".
struct PERF_EXPORT ThresholdSpec {
  std::string text;    // as written
  std::string metric;  // before the colon
  Condition condition;
  std::optional<Duration> window;  // judged over each window of this length instead of the run
  bool abort = false;
  /// Throws: ConfigError.
  static ThresholdSpec Parse(std::string_view text);
};

}  // namespace perf::load

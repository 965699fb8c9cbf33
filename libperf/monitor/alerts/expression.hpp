// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/monitor/alerts/matcher.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

/// A metric with conditions on its labels. Of a histogram H there are also H_count and H_sum.
struct Selector {
  std::string metric;
  std::vector<Matcher> matchers;
};

/// What an alert measures, in a subset of PromQL that means the same in Prometheus:
///   metric{label="x", other!="y"}                            the newest sample
///   rate(m[5m])  increase(m[5m])                             of counters, with resets
///   avg_over_time(m[5m])  min_over_time  max_over_time       of gauges
///   histogram_quantile(0.99, rate(h[5m]))                    0 to 1, buckets interpolated
///   histogram_quantile(0.99, sum by (pool) (rate(h[5m])))    merged first
///   sum|avg|min|max by|without (labels) (…)
///   + - * / between numbers and expressions; two expressions need the very same labels
/// Histograms are named as a whole, as Prometheus names native ones; ToPromQl adds _bucket and le.
/// Comparisons belong to the levels of a rule.
struct Expression {
  enum class Kind : std::uint8_t { kNumber, kInstant, kWindow, kQuantile, kAggregate, kBinary };
  enum class Window : std::uint8_t { kRate, kIncrease, kAvg, kMin, kMax };
  enum class Aggregation : std::uint8_t { kSum, kAvg, kMin, kMax };

  Kind kind = Kind::kNumber;
  double number = 0;  // of kNumber; the quantile of kQuantile
  Selector selector;  // of kInstant, kWindow
  Window window = Window::kRate;
  Millis length{0};  // of kWindow, whole seconds
  Aggregation aggregation = Aggregation::kSum;
  bool without = false;
  std::vector<std::string> labels;         // of kAggregate
  char op = '+';                           // of kBinary
  std::shared_ptr<const Expression> left;  // also the operand of kQuantile and kAggregate
  std::shared_ptr<const Expression> right;
};
using ExpressionPtr = std::shared_ptr<const Expression>;

/// An expression that is none; `offset` is the byte of the text where that shows.
class PERF_EXPORT ExpressionError : public ConfigError {
 public:
  ExpressionError(std::size_t offset, const std::string& message, std::string suggestion = {});
  ~ExpressionError() override;
  std::size_t Offset() const noexcept { return offset_; }
  const std::string& Suggestion() const noexcept { return suggestion_; }

 private:
  std::size_t offset_;
  std::string suggestion_;
};

inline constexpr std::size_t kLongestExpression = 4096;  // bytes
inline constexpr Millis kLongestWindow = std::chrono::hours(6);

/// Throws: ExpressionError. Thread safety: pure.
PERF_EXPORT ExpressionPtr ParseExpression(std::string_view text);
/// The same for Prometheus with classic histograms.
PERF_EXPORT std::string ToPromQl(const Expression& expression);

}  // namespace perf::monitor::alerts

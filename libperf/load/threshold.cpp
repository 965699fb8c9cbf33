// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/threshold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::load {
namespace {

constexpr std::size_t kShown = 80;  // bytes of a text quoted in a message
constexpr std::string_view kForm = "expected 'AGGREGATION OPERATOR NUMBER' such as 'p(99) < 250ms'";

constexpr std::array<std::pair<std::string_view, Aggregation>, 7> kAggregations{
    {{"avg", Aggregation::kAvg},
     {"min", Aggregation::kMin},
     {"max", Aggregation::kMax},
     {"med", Aggregation::kMed},
     {"count", Aggregation::kCount},
     {"rate", Aggregation::kRate},
     {"value", Aggregation::kValue}}};

// Longer ones first: "<=" begins with "<".
constexpr std::array<std::pair<std::string_view, Comparison>, 7> kComparisons{
    {{"===", Comparison::kEqual},
     {"==", Comparison::kEqual},
     {"!=", Comparison::kNotEqual},
     {"<=", Comparison::kLessEqual},
     {">=", Comparison::kGreaterEqual},
     {"<", Comparison::kLess},
     {">", Comparison::kGreater}}};

std::string_view NameOf(Aggregation aggregation) {
  for (const auto& [name, value] : kAggregations) {
    if (value == aggregation) return name;
  }
  return "p(N)";
}

/// Reads one condition from left to right; `whole` is what messages quote.
class ConditionParser {
 public:
  explicit ConditionParser(std::string_view text) : whole_(text), rest_(Trim(text)) {}

  Condition Parse() {
    if (rest_.empty()) Fail("it is empty");
    TakeAggregation();
    rest_ = Trim(rest_);
    TakeComparison();
    rest_ = Trim(rest_);
    TakeLimit();
    return result_;
  }

 private:
  [[noreturn]] void Fail(std::string_view what) const {
    throw ConfigError(
        fmt::format("condition '{}': {}; {}", Excerpt(Trim(whole_), kShown), what, kForm));
  }

  void TakeAggregation() {
    if (rest_.starts_with("p(")) return TakePercentile();
    std::size_t length = 0;
    while (length < rest_.size() && rest_[length] >= 'a' && rest_[length] <= 'z') ++length;
    const std::string_view word = rest_.substr(0, length);
    for (const auto& [name, aggregation] : kAggregations) {
      if (name == word) {
        result_.aggregation = aggregation;
        rest_.remove_prefix(length);
        return;
      }
    }
    if (word == "p") Fail("'p' needs its percentile, as in 'p(99)'");
    std::string_view names[kAggregations.size()];
    std::transform(kAggregations.begin(), kAggregations.end(), names,
                   [](const auto& entry) { return entry.first; });
    const std::string_view near = Suggest(word, names);
    Fail(fmt::format("no aggregation '{}'{} (avg, min, max, med, p(N), count, rate, value)",
                     Excerpt(word.empty() ? rest_ : word, kShown),
                     near.empty() ? "" : fmt::format(", did you mean '{}'?", near)));
  }

  void TakePercentile() {
    const std::size_t close = rest_.find(')');
    if (close == std::string_view::npos) Fail("'p(' without its ')'");
    const std::string_view number = rest_.substr(2, close - 2);
    const bool plain = number.find_first_not_of("0123456789.") == std::string_view::npos;
    const std::optional<double> percentile = plain ? ParseNumber(number) : std::nullopt;
    if (!percentile || *percentile > 100) {
      Fail(fmt::format("'p({})' is no percentile from p(0) to p(100)", Excerpt(number, kShown)));
    }
    result_.aggregation = Aggregation::kPercentile;
    result_.percentile = *percentile;
    rest_.remove_prefix(close + 1);
  }

  void TakeComparison() {
    for (const auto& [sign, comparison] : kComparisons) {
      if (rest_.starts_with(sign)) {
        result_.comparison = comparison;
        rest_.remove_prefix(sign.size());
        return;
      }
    }
    Fail(fmt::format("no operator (< <= > >= == === !=) behind '{}'",
                     Excerpt(Trim(Before()), kShown)));
  }

  void TakeLimit() {
    if (rest_.empty()) Fail("no number behind the operator");
    const std::string limit = Joined();
    if (const auto number = ParseNumber(limit)) return Set(*number, Condition::Unit::kNone);
    if (limit.ends_with('%')) {
      const auto number = ParseNumber(std::string_view(limit).substr(0, limit.size() - 1));
      if (number) return Set(*number / 100, Condition::Unit::kPercent);
    }
    if (const auto rate = ParseRate(limit)) return Set(*rate, Condition::Unit::kPerSecond);
    if (const auto time = ParseDuration(limit)) return Set(ToMs(*time), Condition::Unit::kTime);
    if (const auto bytes = ParseBytes(limit)) {
      return Set(static_cast<double>(*bytes), Condition::Unit::kBytes);
    }
    Fail(fmt::format("'{}' is no number with a unit that is known (ms, s, %, MiB, /s)",
                     Excerpt(rest_, kShown)));
  }

  void Set(double limit, Condition::Unit unit) {
    result_.limit = limit;
    result_.unit = unit;
  }

  /// The limit without the space between its number and its unit.
  std::string Joined() const {
    const std::size_t space = rest_.find(' ');
    if (space == std::string_view::npos) return std::string(rest_);
    const std::string_view unit = Trim(rest_.substr(space));
    constexpr std::string_view kNoUnit = "0123456789.+-";
    if (kNoUnit.find(unit.front()) != std::string_view::npos) return std::string(rest_);
    return std::string(rest_.substr(0, space)).append(unit);
  }

  std::string_view Before() const {
    return whole_.substr(0, static_cast<std::size_t>(rest_.data() - whole_.data()));
  }

  std::string_view whole_;
  std::string_view rest_;
  Condition result_;
};

bool IsMetricPath(std::string_view path) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  for (const std::string_view part : Split(path, '.')) {
    if (part.empty() || !std::all_of(part.begin(), part.end(), allowed)) return false;
  }
  return true;
}

std::string_view Describe(MetricType type) noexcept {
  switch (type) {
    case MetricType::kTrend: return "a time, which has avg, min, max, med, p(N) and count";
    case MetricType::kCounter: return "a counter, which has count and rate";
    case MetricType::kRate: return "a share, which has rate and count";
    case MetricType::kGauge: return "a gauge, which has value";
    case MetricType::kRatio: return "a ratio, which has value";
  }
  return "";
}

bool HasAggregation(MetricType type, Aggregation aggregation) noexcept {
  switch (aggregation) {
    case Aggregation::kAvg:
    case Aggregation::kMin:
    case Aggregation::kMax:
    case Aggregation::kMed:
    case Aggregation::kPercentile: return type == MetricType::kTrend;
    case Aggregation::kCount: return type != MetricType::kGauge && type != MetricType::kRatio;
    case Aggregation::kRate: return type == MetricType::kCounter || type == MetricType::kRate;
    case Aggregation::kValue: return type == MetricType::kGauge || type == MetricType::kRatio;
  }
  return false;
}

}  // namespace

Condition Condition::Parse(std::string_view text) { return ConditionParser(text).Parse(); }

bool Condition::Holds(double observed) const noexcept {
  // No number is no observation, also for "!=".
  if (std::isnan(observed)) return false;
  switch (comparison) {
    case Comparison::kLess: return observed < limit;
    case Comparison::kLessEqual: return observed <= limit;
    case Comparison::kGreater: return observed > limit;
    case Comparison::kGreaterEqual: return observed >= limit;
    case Comparison::kEqual: return observed == limit;
    case Comparison::kNotEqual: return observed != limit;
  }
  return false;
}

std::optional<std::string> Condition::MisfitFor(MetricType type) const {
  if (!HasAggregation(type, aggregation)) {
    return fmt::format("'{}' does not fit: this is {}", NameOf(aggregation), Describe(type));
  }
  if (type == MetricType::kGauge) return std::nullopt;
  if (aggregation == Aggregation::kCount) {
    if (unit == Unit::kNone || (unit == Unit::kBytes && type == MetricType::kCounter)) {
      return std::nullopt;
    }
    return "a count is compared with a number without a unit";
  }
  if (type == MetricType::kTrend) {
    if (unit == Unit::kNone || unit == Unit::kTime) return std::nullopt;
    return "a time is compared with a time such as 250ms (a bare number is milliseconds)";
  }
  if (type == MetricType::kCounter) {
    if (unit == Unit::kNone || unit == Unit::kPerSecond) return std::nullopt;
    return "the rate of a counter is compared with a rate such as 200/s";
  }
  if (unit != Unit::kNone && unit != Unit::kPercent) {
    return "a share is compared with a fraction such as 1% or 0.01";
  }
  // "rate < 5" is meant as 5 %, and would hold whatever happens.
  if (limit < 0 || limit > 1) return "a share is a fraction from 0 to 1 (0% to 100%)";
  return std::nullopt;
}

ThresholdSpec ThresholdSpec::Parse(std::string_view text) {
  constexpr std::string_view kWhole =
      "expected 'METRIC: CONDITION' such as 'latency: p(99) < 250ms'";
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    throw ConfigError(
        fmt::format("threshold '{}' names no metric; {}", Excerpt(text, kShown), kWhole));
  }
  const std::string_view metric = Trim(text.substr(0, colon));
  if (!IsMetricPath(metric)) {
    throw ConfigError(fmt::format(
        "threshold '{}': '{}' is no metric path (words of letters, digits, '_' and '-' with '.' "
        "between them); {}",
        Excerpt(text, kShown), Excerpt(metric, kShown), kWhole));
  }
  ThresholdSpec spec;
  spec.text = std::string(text);
  spec.metric = std::string(metric);
  spec.condition = Condition::Parse(text.substr(colon + 1));
  return spec;
}

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "libperf/monitor/alerts/expression.hpp"

namespace perf::monitor::alerts {

inline constexpr std::array<std::string_view, 10> kFunctions{
    "rate", "increase", "avg_over_time", "min_over_time", "max_over_time",
    "sum",  "avg",      "min",           "max",           "histogram_quantile"};
inline constexpr std::array<std::string_view, 2> kGroupings{"by", "without"};

/// By Expression::Window and Expression::Aggregation, whose order kFunctions has.
constexpr std::string_view NameOf(Expression::Window window) noexcept {
  return kFunctions[static_cast<std::size_t>(window)];
}
constexpr std::string_view NameOf(Expression::Aggregation aggregation) noexcept {
  return kFunctions[5 + static_cast<std::size_t>(aggregation)];
}
constexpr std::optional<Expression::Window> FindWindow(std::string_view name) noexcept {
  for (std::size_t i = 0; i < 5; ++i) {
    if (kFunctions[i] == name) return static_cast<Expression::Window>(i);
  }
  return std::nullopt;
}
constexpr std::optional<Expression::Aggregation> FindAggregation(std::string_view name) noexcept {
  for (std::size_t i = 0; i < 4; ++i) {
    if (kFunctions[5 + i] == name) return static_cast<Expression::Aggregation>(i);
  }
  return std::nullopt;
}

}  // namespace perf::monitor::alerts

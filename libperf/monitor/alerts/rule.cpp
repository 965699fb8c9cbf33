// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/rule.hpp"

#include <fmt/format.h>

#include <cmath>

#include "libperf/base/units.hpp"

namespace perf::monitor::alerts {

std::string_view Name(Comparison comparison) noexcept {
  switch (comparison) {
    case Comparison::kAbove: return ">";
    case Comparison::kAtLeast: return ">=";
    case Comparison::kBelow: return "<";
    case Comparison::kAtMost: break;
  }
  return "<=";
}

bool Holds(Comparison comparison, double value, double threshold) noexcept {
  switch (comparison) {
    case Comparison::kAbove: return value > threshold;
    case Comparison::kAtLeast: return value >= threshold;
    case Comparison::kBelow: return value < threshold;
    case Comparison::kAtMost: break;
  }
  return value <= threshold;
}

std::string Show(double value, Unit unit) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  switch (unit) {
    case Unit::kNone: return fmt::format("{:.4g}", value);
    case Unit::kRatio: return fmt::format("{:.3g} %", value * 100);
    case Unit::kPerSecond: return fmt::format("{:.3g}/s", value);
    case Unit::kSeconds:
      if (std::fabs(value) > 1e9) return fmt::format("{:.3g} s", value);
      return (value < 0 ? "-" : "") +
             FormatDuration(Duration(std::llround(std::fabs(value) * 1e9)));
    case Unit::kBytes: break;
  }
  if (std::fabs(value) > 1e18) return fmt::format("{:.3g} B", value);
  return (value < 0 ? "-" : "") + FormatBytes(static_cast<std::uint64_t>(std::fabs(value)));
}

}  // namespace perf::monitor::alerts

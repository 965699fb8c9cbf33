// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/status_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/report/summary.hpp"

namespace perf::report {
namespace {

std::string ShownCount(double value) {
  const bool whole = value >= 0 && value < 1e6 && value == std::floor(value);
  if (whole) return Grouped(static_cast<std::uint64_t>(value));
  return std::abs(value) < 1000 ? fmt::format("{:.3g}", value) : FormatCount(value);
}

std::string ShownAs(double value, StatusUnit unit) {
  if (!std::isfinite(value)) return "-";
  switch (unit) {
    case StatusUnit::kSeconds: return value < 0 ? "-" : FormatMs(value * 1000);
    case StatusUnit::kBytes:
      // Above 8 EiB there is nothing, and the conversion would overflow.
      return FormatBytes(static_cast<std::uint64_t>(std::clamp(value, 0.0, 0x1p62)));
    case StatusUnit::kRatio: return fmt::format("{:.3g} %", value * 100);
    case StatusUnit::kPerSecond: return FormatCount(value) + "/s";
    case StatusUnit::kNone: break;
  }
  return ShownCount(value);
}

}  // namespace

std::string ShownValue(const StatusReading& reading) {
  if (!reading.text.empty()) return reading.text;
  std::string shown = reading.value ? ShownAs(*reading.value, reading.unit) : "-";
  if (!reading.limit) return shown;
  const std::string limit = ShownAs(*reading.limit, reading.unit);
  // One unit is enough where both have the same.
  const std::size_t blank = shown.rfind(' '), other = limit.rfind(' ');
  if (blank != std::string::npos && other != std::string::npos &&
      shown.substr(blank) == limit.substr(other)) {
    shown.resize(blank);
  }
  return shown + "/" + limit;
}

std::string ShownWant(const StatusReading& reading) {
  return reading.want ? fmt::format(" (want {})", ShownAs(*reading.want, reading.unit)) : "";
}

std::string PlainValue(const StatusReading& reading) {
  const std::string name = reading.name.empty() ? "" : reading.name + "=";
  if (!reading.text.empty()) return name + reading.text;
  std::string value = reading.value ? fmt::format("{}", *reading.value) : "";
  if (reading.limit) value += fmt::format("/{}", *reading.limit);
  return name + value;
}

std::string ShownAge(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 9.95) return fmt::format("{:.2g} s", seconds);
  if (seconds < 59.5) return fmt::format("{:.0f} s", seconds);
  if (seconds < 3570) return fmt::format("{:.0f} m", seconds / 60);
  if (seconds < 84'600) return fmt::format("{:.0f} h", seconds / 3600);
  return fmt::format("{:.0f} d", std::min(seconds / 86'400, 1e6));
}

std::string ShownUptime(double seconds) {
  if (!(seconds >= 1)) return "0 s";
  const auto whole = static_cast<std::int64_t>(std::min(seconds, 1e11));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}m {}s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{}h {}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d {}h", whole / 86'400, whole / 3600 % 24);
}

std::string Colored(StatusState state, std::string_view text, const Style& style) {
  switch (state) {
    case StatusState::kOk: return style.Dim(text);
    case StatusState::kInfo: return style.Note(text);
    case StatusState::kWarning:
    case StatusState::kUnknown: return style.Warn(text);
    case StatusState::kCritical: break;
  }
  return style.Bad(text);
}

}  // namespace perf::report

// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/level.hpp"

#include <array>
#include <cstddef>

namespace perf::monitor {
namespace {

constexpr std::array<std::string_view, 4> kShown{"ok", "INFO", "WARNING", "CRITICAL"};
constexpr std::array<std::string_view, 4> kLabels{"ok", "info", "warning", "critical"};

}  // namespace

std::string_view Name(Level level) noexcept { return kShown[static_cast<std::size_t>(level)]; }

std::string_view LabelValue(Level level) noexcept {
  return kLabels[static_cast<std::size_t>(level)];
}

std::optional<Level> ParseLevel(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kShown.size(); ++i) {
    if (text == kShown[i] || text == kLabels[i]) return static_cast<Level>(i);
  }
  return std::nullopt;
}

}  // namespace perf::monitor

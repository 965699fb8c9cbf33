// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::monitor {

/// How bad something is, worst last: std::max of two is the worse.
enum class Level : std::uint8_t { kOk, kInfo, kWarning, kCritical };

/// "ok", "INFO", "WARNING" or "CRITICAL", as shown to people.
PERF_EXPORT std::string_view Name(Level level) noexcept;

/// "ok", "info", "warning" or "critical": labels of metrics and of Alertmanager are in lower case.
PERF_EXPORT std::string_view LabelValue(Level level) noexcept;

/// The level of either spelling; nothing for any other text.
PERF_EXPORT std::optional<Level> ParseLevel(std::string_view text) noexcept;

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf {

/// "2026-11-30T20:15:01.250Z" (RFC 3339): a time for people and other machines.
PERF_EXPORT std::string ToRfc3339(std::chrono::sys_time<std::chrono::milliseconds> time);

/// Nothing for what is no such time; offsets are understood, fractions cut to milliseconds.
PERF_EXPORT std::optional<std::chrono::sys_time<std::chrono::milliseconds>> ParseRfc3339(
    std::string_view text) noexcept;

/// What the clock says, as ToRfc3339 writes it.
PERF_EXPORT std::string UtcNow();

}  // namespace perf

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf {

/// Parsers of the units that scenarios, flags and variables share. All: the whole text must
/// match (no leading or trailing space), no sign, no NaN, no infinity, no overflow; nothing
/// where it does not. Thread safety: pure functions; none depends on the locale.

/// A finite decimal number, optionally signed, with optional exponent: "12", "-0.5", "1e3".
PERF_EXPORT std::optional<double> ParseNumber(std::string_view text) noexcept;
/// A decimal integer, optionally signed, that fits.
PERF_EXPORT std::optional<std::int64_t> ParseInteger(std::string_view text) noexcept;
/// "250ms", "1.5s", "1m30s", "2h", "10us", "5ns"; units in falling order; "0" needs
/// none. At most 10 years.
PERF_EXPORT std::optional<Duration> ParseDuration(std::string_view text) noexcept;
/// "512", "512B", "4KiB", "1.5MiB", "2GiB", "1TiB"; "kB", "MB", "GB", "TB" are decimal.
PERF_EXPORT std::optional<std::uint64_t> ParseBytes(std::string_view text) noexcept;
/// Operations per second: "200/s", "12000/m", "3600/h", "0.5/s". A unit is required.
PERF_EXPORT std::optional<double> ParseRate(std::string_view text) noexcept;
/// A fraction from "1%" (0.01) or "0.01".
PERF_EXPORT std::optional<double> ParseFraction(std::string_view text) noexcept;

/// Three significant digits with the unit that reads best: "0", "850ns", "12.3ms", "1.5s", "2m5s".
PERF_EXPORT std::string FormatDuration(Duration value);
/// Whole numbers of the largest unit that divides it, which ParseDuration reads back: "1500ms",
/// "20s", "0s".
PERF_EXPORT std::string FormatExact(Duration value);
PERF_EXPORT std::string FormatBytes(std::uint64_t bytes);  // "1.5 KiB"
/// "950", "12.3k", "4.56M".
PERF_EXPORT std::string FormatCount(double value);

}  // namespace perf

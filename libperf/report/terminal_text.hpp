// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::report {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t lines = 0;  // 0: no end, as in a file
};

/// Of what `fd` is: COLUMNS and LINES where they are set to whole numbers from 20 and 5 on, else
/// what the terminal says, else 120 columns without an end.
/// Thread safety: none changes the environment meanwhile.
PERF_EXPORT TerminalSize SizeOfTerminal(int fd) noexcept;

/// Whether LC_ALL, else LC_CTYPE, else LANG (the first that is set and not empty) names UTF-8.
PERF_EXPORT bool Utf8Locale() noexcept;

/// Columns that UTF-8 text takes: 2 for wide East Asian letters and pictures, none for combining
/// marks. Without escape sequences; bytes that are no UTF-8 count one each.
PERF_EXPORT std::size_t DisplayWidth(std::string_view text) noexcept;

/// `text` cut to at most `columns`, with "…" where it was cut; control characters are escaped.
PERF_EXPORT std::string Fitted(std::string_view text, std::size_t columns);
/// Fitted, and filled up with spaces to exactly `columns`.
PERF_EXPORT std::string Padded(std::string_view text, std::size_t columns);

/// A series in `columns` columns, its newest point at the right: "▁▁▂▃▅▇█". Where several points
/// share a column the highest is shown; NaN leaves a space. The lowest value is the bottom, the
/// highest the top, unless they are within a tenth of one another: then it is drawn nearly flat.
PERF_EXPORT std::string Sparkline(std::span<const double> points, std::size_t columns);

/// For terminals without UTF-8: "·" becomes "-", "…" "~", "µ" "u", sparks are drawn with ".:-=#";
/// other letters become "?". One column stays one column.
PERF_EXPORT std::string ToAscii(std::string_view text);

}  // namespace perf::report

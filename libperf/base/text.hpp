// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf {

/// The candidate closest to `word` by Damerau-Levenshtein distance (optimal string alignment),
/// when it is near enough to be a slip (distance at most a third of the longer word, at least
/// one); otherwise empty.
PERF_EXPORT std::string_view Suggest(std::string_view word,
                                     std::span<const std::string_view> candidates) noexcept;

/// Splits at each `separator`; "" gives one empty part.
PERF_EXPORT std::vector<std::string_view> Split(std::string_view text, char separator);
PERF_EXPORT std::string_view Trim(std::string_view text) noexcept;
/// ASCII only, whatever the locale.
PERF_EXPORT std::string ToLower(std::string_view text);
PERF_EXPORT bool EqualsIgnoreCase(std::string_view a, std::string_view b) noexcept;
/// `text` cut to at most `bytes` at a UTF-8 border, control characters escaped, with "…" where cut.
PERF_EXPORT std::string Excerpt(std::string_view text, std::size_t bytes);
/// The whole of a regular file of at most `limit` bytes; pipes and devices only where the shell
/// has opened them (/dev/stdin, /dev/fd/N). Throws: ConfigError naming path and reason.
PERF_EXPORT std::string ReadFile(const std::string& path, std::size_t limit);

}  // namespace perf

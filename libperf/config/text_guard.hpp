// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace perf::config {

/// What makes a text unfit for a YAML parser, and at which byte.
struct TextFault {
  std::size_t offset = 0;
  std::string message;
};

/// The first fault of `text` (without byte order mark): too large, UTF-16, not UTF-8, control
/// characters. yaml-cpp guesses encodings, replaces bad bytes and takes U+0004 for the end of
/// the file, each without a word.
std::optional<TextFault> FindTextFault(std::string_view text);

/// `text` with every control character but the tab, and every byte that is not UTF-8, as '?':
/// what may go to a terminal. Each stays one character, so columns keep their meaning.
std::string Printable(std::string_view text);

/// How many code points `text` has; it must be valid UTF-8.
int CountCharacters(std::string_view text) noexcept;

}  // namespace perf::config

// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/text_guard.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libperf/config/document.hpp"

namespace perf::config {
namespace {

// The length of the code point at the start of `text`, or 0 when it is not UTF-8 (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t CodePointLength(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

}  // namespace

std::optional<TextFault> FindTextFault(std::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return TextFault{0, fmt::format("the file is larger than {} MiB", kMaxFileBytes >> 20)};
  }
  const std::string_view start = text.substr(0, 2);
  if (start == "\xFF\xFE" || start == "\xFE\xFF" ||
      (start.size() == 2 && (start[0] == '\0') != (start[1] == '\0'))) {
    return TextFault{0, "the file is not UTF-8 but looks like UTF-16 or UTF-32"};
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if ((byte >= 0x20 && byte < 0x7F) || byte == '\n' || byte == '\t' || byte == '\r') {
      ++at;
      continue;
    }
    if (byte < 0x80) {
      return TextFault{at, fmt::format("control character U+{:04X}; write it as an escape in "
                                       "double quotes",
                                       byte)};
    }
    const std::size_t length = CodePointLength(text.substr(at));
    if (length == 0) return TextFault{at, fmt::format("byte 0x{:02X} is not UTF-8", byte)};
    // C1 controls can drive a terminal just like an escape sequence.
    if (byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0) {
      return TextFault{at, "control character (U+0080 to U+009F)"};
    }
    at += length;
  }
  return std::nullopt;
}

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = CodePointLength(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    const bool control =
        byte < 0x80 ? (byte < 0x20 && byte != '\t') || byte == 0x7F
                    : byte == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (length == 0 || control) {
      out += '?';
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

int CountCharacters(std::string_view text) noexcept {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace perf::config

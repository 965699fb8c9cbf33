// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace perf::cache {

constexpr bool IsBlank(char c) noexcept { return c == ' ' || c == '\t'; }

/// The next word of a line between blanks (and commas, where asked); empty at the end.
inline std::string_view NextToken(std::string_view& line, bool commas = false) noexcept {
  const auto gap = [commas](char c) { return IsBlank(c) || (commas && c == ','); };
  std::size_t begin = 0;
  while (begin < line.size() && gap(line[begin])) ++begin;
  std::size_t end = begin;
  while (end < line.size() && !gap(line[end])) ++end;
  const std::string_view token = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return token;
}

/// The whole text as a number that fits; no sign.
inline std::optional<std::uint64_t> ParseUnsigned(std::string_view text, int base = 10) noexcept {
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A key as an id: a decimal number as it is (written as numbers are), anything else by its hash.
std::uint64_t KeyId(std::string_view key) noexcept;

/// "0x1f", and where `bare` also "1f".
inline std::optional<std::uint64_t> ParseAddress(std::string_view text, bool bare) noexcept {
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    return ParseUnsigned(text.substr(2), 16);
  }
  return bare ? ParseUnsigned(text, 16) : std::nullopt;
}

/// The address of a line: alone, or behind one letter; a length behind a comma is left out.
inline std::optional<std::uint64_t> AddressOfLine(std::string_view line) noexcept {
  const std::string_view first = NextToken(line, true);
  if (const auto address = ParseAddress(first, first.size() > 1)) return address;
  return first.size() == 1 ? ParseAddress(NextToken(line, true), true) : std::nullopt;
}

}  // namespace perf::cache

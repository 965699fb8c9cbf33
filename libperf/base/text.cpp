// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libperf/base/error.hpp"
#include "libperf/base/file.hpp"

namespace perf {
namespace {

// Keys and names are short; what is longer is no slip of a known word.
constexpr std::size_t kLongestWord = 48;

constexpr char Lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Optimal string alignment distance of two words of at most kLongestWord bytes.
std::size_t Distance(std::string_view a, std::string_view b) noexcept {
  using Row = std::array<std::size_t, kLongestWord + 1>;
  Row before{};
  Row above{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = above;
    above = row;
  }
  return above[b.size()];
}

constexpr bool IsTail(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Length of the well-formed UTF-8 sequence at the front of `text`, or 0.
std::size_t SequenceAt(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  // Overlong forms, surrogates and what lies beyond U+10FFFF.
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (!IsTail(text[i])) return 0;
  }
  return length;
}

void AppendVisible(std::string& out, std::string_view piece) {
  const auto first = static_cast<unsigned char>(piece[0]);
  if (piece.size() == 2 && first == 0xC2 && static_cast<unsigned char>(piece[1]) < 0xA0) {
    // C1 controls: a terminal may take U+009B for the start of a command.
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(piece[1]));
  } else if (piece.size() > 1 || (first >= 0x20 && first != 0x7F)) {
    out += piece;
  } else if (first == '\n') {
    out += "\\n";
  } else if (first == '\r') {
    out += "\\r";
  } else if (first == '\t') {
    out += "\\t";
  } else {
    out += fmt::format("\\x{:02x}", first);
  }
}

}  // namespace

std::string_view Suggest(std::string_view word,
                         std::span<const std::string_view> candidates) noexcept {
  if (word.empty() || word.size() > kLongestWord) return {};
  std::string_view best;
  std::size_t best_distance = kLongestWord + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.empty() || candidate.size() > kLongestWord) continue;
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t distance = Distance(word, candidate);
    // A word of which no letter is left is no slip of it.
    if (distance > std::max<std::size_t>(1, longer / 3) || distance >= longer) continue;
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view Trim(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string Excerpt(std::string_view text, std::size_t bytes) {
  const bool cut = text.size() > bytes;
  if (cut) {
    std::size_t end = bytes;
    // A sequence has at most three tail bytes; more of them are no UTF-8 and may be cut anywhere.
    for (int i = 0; i < 3 && end > 0 && IsTail(text[end]); ++i) --end;
    text = text.substr(0, IsTail(text[end]) ? bytes : end);
  }
  std::string out;
  while (!text.empty()) {
    const std::size_t length = SequenceAt(text);
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else {
      AppendVisible(out, text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (cut) out += "…";
  return out;
}

std::string ReadFile(const std::string& path, std::size_t limit) {
  InputFile file(path == "-" ? "./-" : path);
  std::string content;
  std::array<char, 16384> chunk;
  while (const std::size_t got = file.Read(std::as_writable_bytes(std::span(chunk)))) {
    if (got > limit - content.size()) {
      throw ConfigError(fmt::format("{}: larger than {} bytes", path, limit));
    }
    content.append(chunk.data(), got);
  }
  return content;
}

}  // namespace perf

// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/terminal_text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::report {
namespace {

constexpr std::array<std::string_view, 8> kSparks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::size_t FromEnvironment(const char* name, std::int64_t least) noexcept {
  const char* const word = std::getenv(name);
  const auto number = word == nullptr ? std::nullopt : ParseInteger(word);
  return number && *number >= least && *number <= 10'000 ? static_cast<std::size_t>(*number) : 0;
}

/// The first letter of `text` and its length in bytes. A byte that starts none counts as one.
std::pair<char32_t, std::size_t> LetterAt(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  if (length == 1 || length > text.size()) return {lead, 1};
  char32_t letter = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto tail = static_cast<unsigned char>(text[i]);
    if ((tail & 0xC0) != 0x80) return {lead, 1};
    letter = letter << 6 | (tail & 0x3F);
  }
  return {letter, length};
}

/// Unicode's East Asian Width, in whole blocks: exact enough to keep columns straight.
std::size_t WidthOf(char32_t letter) noexcept {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kNone[] = {{0x300, 0x36F},   {0x200B, 0x200F}, {0x20D0, 0x20FF},
                                    {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
  static constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
                                    {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                                    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                                    {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  const auto holds = [letter](const Range& range) {
    return letter >= range.first && letter <= range.last;
  };
  if (std::any_of(std::begin(kNone), std::end(kNone), holds)) return 0;
  return std::any_of(std::begin(kWide), std::end(kWide), holds) ? 2 : 1;
}

}  // namespace

TerminalSize SizeOfTerminal(int fd) noexcept {
  TerminalSize size{120, 0};
  winsize window{};
  if (::ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    size = {window.ws_col, window.ws_row};
  }
  if (const std::size_t columns = FromEnvironment("COLUMNS", 20)) size.columns = columns;
  if (const std::size_t lines = FromEnvironment("LINES", 5)) size.lines = lines;
  return size;
}

bool Utf8Locale() noexcept {
  for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view text(value);
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return false;
    const std::string_view charset = text.substr(dot + 1, text.find('@', dot) - dot - 1);
    return EqualsIgnoreCase(charset, "UTF-8") || EqualsIgnoreCase(charset, "UTF8");
  }
  return false;
}

std::size_t DisplayWidth(std::string_view text) noexcept {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto [letter, length] = LetterAt(text);
    width += WidthOf(letter);
    text.remove_prefix(length);
  }
  return width;
}

std::string Fitted(std::string_view text, std::size_t columns) {
  std::string clean = Excerpt(text, text.size());
  if (DisplayWidth(clean) <= columns) return clean;
  if (columns == 0) return {};
  std::size_t bytes = 0, width = 0;
  while (bytes < clean.size()) {
    const auto [letter, length] = LetterAt(std::string_view(clean).substr(bytes));
    if (width + WidthOf(letter) > columns - 1) break;
    width += WidthOf(letter);
    bytes += length;
  }
  return clean.substr(0, bytes) + "…";
}

std::string Padded(std::string_view text, std::size_t columns) {
  std::string fitted = Fitted(text, columns);
  return fitted + std::string(columns - DisplayWidth(fitted), ' ');
}

std::string Sparkline(std::span<const double> points, std::size_t columns) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double point : points) {
    if (!std::isfinite(point)) continue;
    low = std::min(low, point);
    high = std::max(high, point);
  }
  const double range = std::max(high - low, 0.1 * std::abs(high));
  const std::size_t used = std::min(columns, points.size());
  std::string out(columns - used, ' ');
  for (std::size_t column = 0; column < used; ++column) {
    const std::size_t end = (column + 1) * points.size() / used;
    double top = -std::numeric_limits<double>::infinity();
    for (std::size_t i = column * points.size() / used; i < end; ++i) {
      if (std::isfinite(points[i])) top = std::max(top, points[i]);
    }
    if (!std::isfinite(top)) {
      out += ' ';
      continue;
    }
    const double share = range > 0 ? (top - low) / range : 0;
    const auto step = static_cast<std::size_t>(std::lround(share * (kSparks.size() - 1)));
    out += kSparks[std::min(step, kSparks.size() - 1)];
  }
  return out;
}

std::string ToAscii(std::string_view text) {
  constexpr std::string_view kLevels = "..::--=#";
  std::string out;
  while (!text.empty()) {
    const auto [letter, length] = LetterAt(text);
    const auto* const spark = std::find(kSparks.begin(), kSparks.end(), text.substr(0, length));
    if (letter < 0x80) {
      out += static_cast<char>(letter);
    } else if (spark != kSparks.end()) {
      out += kLevels[static_cast<std::size_t>(spark - kSparks.begin())];
    } else if (letter == U'·') {
      out += '-';
    } else if (letter == U'…') {
      out += '~';
    } else if (letter == U'µ') {
      out += 'u';
    } else {
      out.append(WidthOf(letter), '?');
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace perf::report

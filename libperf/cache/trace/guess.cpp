// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/cache/trace/input.hpp"
#include "libperf/cache/trace/table.hpp"
#include "libperf/cache/trace/tokens.hpp"

namespace perf::cache {

namespace {

constexpr std::size_t kMostLines = 200;

bool IsBinary(std::string_view head) {
  return std::any_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f;
  });
}

std::uint32_t Word(std::string_view bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);  // only compared
  return word;
}

/// Whether each record of the head has its version where vscsi has it.
bool IsVscsi(std::string_view head, std::size_t record, std::size_t version_at, char version) {
  if (head.size() < record) return false;
  for (std::size_t at = 0; at + record <= head.size(); at += record) {
    if (head[at + version_at] != version) return false;
  }
  return true;
}

/// Time never goes back, and next accesses lie ahead (or are -1, "never").
bool IsOracle(std::string_view head, bool whole) {
  if (head.size() < 24 || (whole && head.size() % 24 != 0)) return false;
  std::uint32_t time = 0;
  for (std::size_t at = 0; at + 24 <= head.size(); at += 24) {
    std::uint32_t now = 0, size = 0;
    std::int64_t next = 0;
    std::memcpy(&now, head.data() + at, 4);  // on big-endian machines the guess fails: say it
    std::memcpy(&size, head.data() + at + 12, 4);
    std::memcpy(&next, head.data() + at + 16, 8);
    if (now < time || next < -1 || next > std::int64_t{1} << 48 || size > 1U << 31) return false;
    time = now;
  }
  return true;
}

/// Of words at every second place from `first`, those seen before: the part that was followed by
/// the same word as then. High where the two are halves of one key.
double Follows(std::string_view head, std::size_t first) {
  std::unordered_map<std::uint32_t, std::uint32_t> followers;
  std::size_t seen = 0, same = 0;
  for (std::size_t at = first; at + 8 <= head.size(); at += 8) {
    const auto [found, fresh] = followers.try_emplace(Word(head, at), Word(head, at + 4));
    if (fresh) continue;
    ++seen;
    same += found->second == Word(head, at + 4);
    found->second = Word(head, at + 4);
  }
  return seen == 0 ? 0.0 : static_cast<double>(same) / static_cast<double>(seen);
}

/// Small 64-bit keys have high halves that are all the same.
bool HighHalvesAreOne(std::string_view head) {
  bool differ = false;
  for (std::size_t at = 8; at + 8 <= head.size(); at += 8) {
    if (Word(head, at) != Word(head, 0)) return false;
    differ = differ || Word(head, at + 4) != Word(head, 4);
  }
  return differ;
}

FormatGuess GuessBinary(std::string_view head, bool whole, const std::string& name) {
  if (IsVscsi(head, 32, 15, 1)) return {TraceFormat::kVscsi, "records of 32 bytes with version 1"};
  if (IsVscsi(head, 40, 3, 2)) return {TraceFormat::kVscsi, "records of 40 bytes with version 2"};
  if (IsOracle(head, whole)) {
    return {TraceFormat::kOracleGeneral, "records of 24 bytes whose times never go back"};
  }
  if (whole && head.size() % 4 != 0) {
    throw ConfigError(fmt::format(
        "{}: its format cannot be guessed ({} bytes, no text); say --format", name, head.size()));
  }
  const bool pairs = !whole || head.size() % 8 == 0;
  if (pairs && (HighHalvesAreOne(head) || Follows(head, 0) > Follows(head, 4) + 0.3)) {
    return {TraceFormat::kI64be, "no text, and words of 4 bytes that go in pairs"};
  }
  return {TraceFormat::kI32be, "no text, and words of 4 bytes that do not go in pairs"};
}

std::vector<std::string_view> SomeLines(std::string_view head, bool whole) {
  std::vector<std::string_view> lines;
  while (!head.empty() && lines.size() < kMostLines) {
    const std::size_t end = head.find('\n');
    if (end == std::string_view::npos && !whole && !lines.empty()) break;  // it may be cut off
    const std::string_view line = Trim(head.substr(0, end));
    if (!line.empty()) lines.push_back(line);
    head.remove_prefix(end == std::string_view::npos ? head.size() : end + 1);
  }
  return lines;
}

/// How many whole numbers each line has, the same on all; 0 where not.
std::size_t NumbersALine(const std::vector<std::string_view>& lines) {
  std::size_t width = 0;
  for (std::string_view line : lines) {
    std::size_t count = 0;
    for (std::string_view token; !(token = NextToken(line)).empty(); ++count) {
      if (!ParseUnsigned(token)) return 0;
    }
    if (width != 0 && count != width) return 0;
    width = count;
  }
  return width;
}

bool AllAddresses(const std::vector<std::string_view>& lines) {
  return std::all_of(lines.begin(), lines.end(), [](std::string_view line) {
    const bool marked =
        line.find("0x") != std::string_view::npos || line.find("0X") != std::string_view::npos;
    return marked && AddressOfLine(line).has_value();
  });
}

FormatGuess GuessText(const std::vector<std::string_view>& lines, const std::string& name) {
  const char delimiter = GuessDelimiter(lines.front());
  TableRow row;
  if (row.Split(lines.front(), delimiter) && row.Size() > 1) {
    const auto fields = row.All();
    if (IsCacheLibHeader(fields))
      return {TraceFormat::kCacheLib, "a header with a key and an operation"};
    if (LooksLikeHeader(fields) && FindColumn(fields, UsualKeyColumns())) {
      const auto key = *FindColumn(fields, UsualKeyColumns());
      return {TraceFormat::kCsv,
              fmt::format("a header with a column {}", Excerpt(fields[key], 40))};
    }
  }
  if (AllAddresses(lines)) return {TraceFormat::kAddress, "an address in each line"};
  const std::size_t width = NumbersALine(lines);
  if (width == 4) return {TraceFormat::kArc, "4 whole numbers a line"};
  if (width == 3 || width > 4) {
    return {TraceFormat::kTr, fmt::format("{} whole numbers a line", width)};
  }
  const bool single = std::all_of(lines.begin(), lines.end(), [&](std::string_view line) {
    return line.find_first_of(" \t,;") == std::string_view::npos;
  });
  if (single) return {TraceFormat::kKeys, "one word a line"};
  throw ConfigError(
      fmt::format("{}: its format cannot be guessed from lines like \"{}\"; say --format", name,
                  Excerpt(lines.front(), 60)));
}

}  // namespace

FormatGuess GuessFormat(std::string_view head, bool whole, const std::string& name) {
  if (IsBinary(head)) return GuessBinary(head, whole, name);
  const auto lines = SomeLines(head, whole);
  if (lines.empty()) throw ConfigError(name + ": the trace is empty");
  return GuessText(lines, name);
}

}  // namespace perf::cache

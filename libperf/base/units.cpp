// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace perf {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t size;
};

// From large to small, so that the parts of "1m30s" can be held to that order.
constexpr std::array<Unit, 6> kTimes{{{"h", 3'600'000'000'000},
                                      {"m", 60'000'000'000},
                                      {"s", 1'000'000'000},
                                      {"ms", 1'000'000},
                                      {"us", 1'000},
                                      {"ns", 1}}};
constexpr std::array<Unit, 9> kSizes{{{"B", 1},
                                      {"KiB", 1ULL << 10},
                                      {"MiB", 1ULL << 20},
                                      {"GiB", 1ULL << 30},
                                      {"TiB", 1ULL << 40},
                                      {"kB", 1'000},
                                      {"MB", 1'000'000},
                                      {"GB", 1'000'000'000},
                                      {"TB", 1'000'000'000'000}}};
constexpr std::uint64_t kLongest = 10ULL * 366 * 24 * 3'600'000'000'000;

constexpr bool IsDigit(char c) noexcept { return c >= '0' && c <= '9'; }

std::size_t DigitsAt(std::string_view text) noexcept {
  std::size_t n = 0;
  while (n < text.size() && IsDigit(text[n])) ++n;
  return n;
}

/// A number without sign or exponent whose digits before the point are kept exactly.
struct Amount {
  std::uint64_t whole = 0;
  double fraction = 0;
  bool has_point = false;
};

/// Takes the amount off the front of `text`.
std::optional<Amount> TakeAmount(std::string_view& text) noexcept {
  Amount amount;
  const std::size_t digits = DigitsAt(text);
  if (digits == 0) return std::nullopt;
  if (std::from_chars(text.data(), text.data() + digits, amount.whole).ec != std::errc{}) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  if (text.empty() || text.front() != '.') return amount;
  amount.has_point = true;
  const std::size_t decimals = DigitsAt(text.substr(1));
  if (decimals == 0) return std::nullopt;
  const char* end = text.data() + 1 + decimals;
  const auto [last, code] = std::from_chars(text.data(), end, amount.fraction);
  // Hundreds of zeros after the point: too small to be told from zero.
  if (code == std::errc::result_out_of_range) amount.fraction = 0;
  if (last != end) return std::nullopt;
  text.remove_prefix(1 + decimals);
  return amount;
}

/// `amount * unit`, rounded to an integer; nothing above `limit`.
std::optional<std::uint64_t> Scale(const Amount& amount, std::uint64_t unit,
                                   std::uint64_t limit) noexcept {
  if (amount.whole > limit / unit) return std::nullopt;
  const std::uint64_t whole = amount.whole * unit;
  const auto rest =
      static_cast<std::uint64_t>(std::llround(amount.fraction * static_cast<double>(unit)));
  if (rest > limit - whole) return std::nullopt;
  return whole + rest;
}

std::string WithoutZeros(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

/// Three significant digits; `value` in [0, 1000) or, whole, above.
std::string Significant(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return WithoutZeros(fmt::format("{:.1f}", value));
  if (value >= 0.9995) return WithoutZeros(fmt::format("{:.2f}", value));
  return fmt::format("{:.3g}", value);
}

std::string JoinParts(std::uint64_t large, char large_unit, std::uint64_t small, char small_unit) {
  std::string text = fmt::format("{}{}", large, large_unit);
  if (small != 0) text += fmt::format("{}{}", small, small_unit);
  return text;
}

std::uint64_t Magnitude(Duration value) noexcept {
  const auto count = static_cast<std::uint64_t>(value.count());
  return value.count() < 0 ? 0 - count : count;
}

}  // namespace

std::optional<double> ParseNumber(std::string_view text) noexcept {
  const bool plus = !text.empty() && text.front() == '+';
  if (plus) text.remove_prefix(1);
  // from_chars takes "inf", "nan", ".5" and "5."; of these the contract knows none.
  const std::size_t first = !plus && !text.empty() && text.front() == '-' ? 1 : 0;
  if (first >= text.size() || !IsDigit(text[first])) return std::nullopt;
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos && (point + 1 >= text.size() || !IsDigit(text[point + 1]))) {
    return std::nullopt;
  }
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::int64_t> ParseInteger(std::string_view text) noexcept {
  if (text.size() > 1 && text[0] == '+' && IsDigit(text[1])) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Duration> ParseDuration(std::string_view text) noexcept {
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  std::uint64_t total = 0;
  const Unit* next = kTimes.begin();
  while (!text.empty()) {
    const std::optional<Amount> amount = TakeAmount(text);
    if (!amount) return std::nullopt;
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    const std::string_view name = text.substr(0, letters);
    while (next != kTimes.end() && next->name != name) ++next;
    if (next == kTimes.end()) return std::nullopt;
    const auto part = Scale(*amount, next->size, kLongest - total);
    if (!part) return std::nullopt;
    total += *part;
    text.remove_prefix(letters);
    ++next;
  }
  return Duration(static_cast<Duration::rep>(total));
}

std::optional<std::uint64_t> ParseBytes(std::string_view text) noexcept {
  const std::optional<Amount> amount = TakeAmount(text);
  if (!amount) return std::nullopt;
  if (text.empty() || text == "B") {
    return amount->has_point ? std::nullopt : std::optional(amount->whole);
  }
  for (const Unit& unit : kSizes) {
    if (unit.name == text) {
      return Scale(*amount, unit.size, std::numeric_limits<std::uint64_t>::max());
    }
  }
  return std::nullopt;
}

std::optional<double> ParseRate(std::string_view text) noexcept {
  if (text.size() < 3 || !IsDigit(text.front()) || text[text.size() - 2] != '/') {
    return std::nullopt;
  }
  const std::optional<double> number = ParseNumber(text.substr(0, text.size() - 2));
  if (!number) return std::nullopt;
  switch (text.back()) {
    case 's': return *number;
    case 'm': return *number / 60;
    case 'h': return *number / 3600;
    default: return std::nullopt;
  }
}

std::optional<double> ParseFraction(std::string_view text) noexcept {
  if (text.empty() || !IsDigit(text.front())) return std::nullopt;
  const bool percent = text.back() == '%';
  if (percent) text.remove_suffix(1);
  const std::optional<double> number = ParseNumber(text);
  if (!number) return std::nullopt;
  return percent ? *number / 100 : *number;
}

std::string FormatDuration(Duration value) {
  if (value == Duration::zero()) return "0";
  std::uint64_t ns = Magnitude(value);
  const std::string sign = value < Duration::zero() ? "-" : "";
  // Rounded before the unit is chosen, so that 999.7ms reads "1s".
  std::uint64_t step = 1;
  while (ns / step >= 1000) step *= 10;
  const std::uint64_t rounded = (ns + step / 2) / step * step;
  if (rounded < 60'000'000'000) {
    for (const Unit& unit : kTimes) {
      if (rounded < unit.size) continue;
      const double amount = static_cast<double>(rounded) / static_cast<double>(unit.size);
      return sign + Significant(amount) + std::string(unit.name);
    }
  }
  const std::uint64_t seconds = (ns + 500'000'000) / 1'000'000'000;
  if (seconds < 3600) return sign + JoinParts(seconds / 60, 'm', seconds % 60, 's');
  const std::uint64_t minutes = (seconds + 30) / 60;
  return sign + JoinParts(minutes / 60, 'h', minutes % 60, 'm');
}

std::string FormatExact(Duration value) {
  if (value == Duration::zero()) return "0s";
  const std::uint64_t ns = Magnitude(value);
  for (const Unit& unit : kTimes) {
    if (ns % unit.size == 0) {
      return fmt::format("{}{}{}", value < Duration::zero() ? "-" : "", ns / unit.size, unit.name);
    }
  }
  return fmt::format("{}ns", value.count());
}

std::string FormatBytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr std::array<std::string_view, 6> kNames{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t index = 0;
  // 1023.5 would print as 1024.
  while (amount >= 1023.5 && index + 1 < kNames.size()) {
    amount /= 1024;
    ++index;
  }
  return fmt::format("{} {}", Significant(amount), kNames[index]);
}

std::string FormatCount(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  static constexpr std::array<std::string_view, 5> kNames{"", "k", "M", "G", "T"};
  double amount = std::abs(value);
  std::size_t index = 0;
  while (amount >= 999.5 && index + 1 < kNames.size()) {
    amount /= 1000;
    ++index;
  }
  return fmt::format("{}{}{}", value < 0 ? "-" : "", Significant(amount), kNames[index]);
}

}  // namespace perf

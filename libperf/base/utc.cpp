// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/utc.hpp"

#include <fmt/format.h>

#include <cstddef>

namespace perf {
namespace {

using WallMillis = std::chrono::sys_time<std::chrono::milliseconds>;

/// `digits` digits at the beginning of `text`, which are taken away; -1 where they are not there.
int Take(std::string_view& text, std::size_t digits) noexcept {
  if (text.size() < digits) return -1;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool TakeChar(std::string_view& text, char c) noexcept {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string ToRfc3339(WallMillis time) {
  using std::chrono::days;
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const auto in_day = (time - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     in_day / 3'600'000, in_day / 60'000 % 60, in_day / 1'000 % 60, in_day % 1'000);
}

std::optional<WallMillis> ParseRfc3339(std::string_view text) noexcept {
  const int year = Take(text, 4);
  if (!TakeChar(text, '-')) return std::nullopt;
  const int month = Take(text, 2);
  if (!TakeChar(text, '-')) return std::nullopt;
  const int day = Take(text, 2);
  if (!TakeChar(text, 'T') && !TakeChar(text, 't') && !TakeChar(text, ' ')) return std::nullopt;
  const int hour = Take(text, 2);
  if (!TakeChar(text, ':')) return std::nullopt;
  const int minute = Take(text, 2);
  if (!TakeChar(text, ':')) return std::nullopt;
  const int second = Take(text, 2);
  if (year < 0 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  int millis = 0;
  if (TakeChar(text, '.')) {
    int scale = 100;
    if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
    for (int digit = Take(text, 1); digit >= 0; digit = Take(text, 1)) {
      millis += digit * scale;
      scale /= 10;
    }
  }
  int offset = 0;
  if (!TakeChar(text, 'Z') && !TakeChar(text, 'z')) {
    const int sign = TakeChar(text, '+') ? 1 : TakeChar(text, '-') ? -1 : 0;
    const int hours = Take(text, 2);
    const int minutes = TakeChar(text, ':') ? Take(text, 2) : -1;
    if (sign == 0 || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
    offset = sign * (hours * 60 + minutes);
  }
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!text.empty() || !date.ok()) return std::nullopt;
  return WallMillis(std::chrono::sys_days(date).time_since_epoch()) + std::chrono::hours(hour) +
         std::chrono::minutes(minute - offset) + std::chrono::seconds(second) +
         std::chrono::milliseconds(millis);
}

std::string UtcNow() {
  return ToRfc3339(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
}

}  // namespace perf

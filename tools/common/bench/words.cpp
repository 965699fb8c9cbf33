// SPDX-License-Identifier: Apache-2.0
#include "tools/common/bench/words.hpp"

#include <fmt/format.h>

#include <charconv>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::tool {

Duration DurationOf(const std::string& flag, const std::string& word) {
  if (const auto duration = ParseDuration(word)) return *duration;
  throw UsageError(fmt::format("{} {}: expected a time such as 150ms", flag, Excerpt(word, 40)));
}

Duration SecondsOf(const std::string& flag, const std::string& word) {
  const auto seconds = ParseNumber(word);
  if (!seconds || *seconds <= 0 || *seconds > 86'400) {
    throw UsageError(fmt::format("{} {}: expected seconds, such as 10", flag, Excerpt(word, 40)));
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

std::uint64_t CountOf(const std::string& flag, const std::string& word) {
  const auto count = ParseNumber(word);
  if (!count || *count < 1 || *count > 1e15) {
    throw UsageError(fmt::format("{} {}: expected a count, such as 1e8", flag, Excerpt(word, 40)));
  }
  return static_cast<std::uint64_t>(*count);
}

Duration MillisecondsOf(const std::string& flag, const std::string& word) {
  const auto ms = ParseNumber(word);
  if (!ms || *ms < 0 || *ms > 600'000) {
    throw UsageError(
        fmt::format("{} {}: expected milliseconds, such as 150", flag, Excerpt(word, 40)));
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(*ms));
}

double NumberOf(const std::string& flag, const std::string& word, double most) {
  const auto number = ParseNumber(word);
  if (number && *number >= 0 && *number <= most) return *number;
  throw UsageError(
      fmt::format("{} {}: expected a number from 0 to {:g}", flag, Excerpt(word, 40), most));
}

std::uint64_t BytesOf(const std::string& flag, const std::string& word) {
  const auto bytes = ParseBytes(word);
  if (!bytes || *bytes < 1) {
    throw UsageError(fmt::format("{} {}: expected bytes, such as 64MiB", flag, Excerpt(word, 40)));
  }
  return *bytes;
}

double ShareOf(const std::string& flag, const std::string& word) {
  const auto share = ParseFraction(word);
  if (share && *share >= 0 && *share < 1) return *share;
  throw UsageError(fmt::format("{} {}: expected a share such as 10%", flag, Excerpt(word, 40)));
}

std::vector<std::size_t> SizesOf(const std::string& word) {
  std::vector<std::size_t> sizes;
  const auto wrong = [&] {
    return UsageError(
        fmt::format("--sizes {}: expected such as 1,2,4 or 1-16 (up to 10000)", Excerpt(word, 40)));
  };
  for (const std::string_view part : Split(word, ',')) {
    const std::vector<std::string_view> ends = Split(part, '-');
    const auto low = ParseInteger(ends.front());
    const auto high = ParseInteger(ends.back());
    if (ends.size() > 2 || !low || !high || *low < 1 || *high < *low || *high > 10'000) {
      throw wrong();
    }
    for (std::int64_t size = *low; size <= *high; ++size) {
      sizes.push_back(static_cast<std::size_t>(size));
    }
  }
  return sizes;
}

}  // namespace perf::tool

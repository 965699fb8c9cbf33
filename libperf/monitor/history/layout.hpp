// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "libperf/monitor/history/options.hpp"

namespace perf::monitor {

/// The tiers' numbers in the database, the finest first.
enum Tier : std::uint8_t { kSystemTier, kAppTier, kMinutes, kQuarters };
inline constexpr std::size_t kTiers = 4;
inline constexpr std::array<std::string_view, kTiers> kTierNames{"system", "app", "1m", "15m"};

struct TierPlan {
  std::int64_t step = 0;  // seconds, as all here
  std::int64_t keep = 0;
  std::int64_t span = 0;  // of a chunk
};

/// Which tiers there are for series of either step.
struct Layout {
  std::array<TierPlan, kTiers> tiers;

  /// Throws: ConfigError for a step below a second or above a day, or a time to keep below a step.
  explicit Layout(const HistoryOptions& options);
  /// Those of a series, the finest first; first is kSystemTier or kAppTier.
  std::vector<Tier> Of(Tier first) const;
};

/// The longest chunk that any version writes: how far before its cells one may begin.
inline constexpr std::int64_t kLongestSpan = 24 * 3600;

/// Where a row or chunk stands: tier, then time, then series, so that the newest of a tier is
/// written side by side, the oldest is dropped in one stretch, and no index beside the table's own
/// is needed.
inline constexpr int kSeriesBits = 24;
inline constexpr int kTimeBits = 35;
inline constexpr std::int64_t kMostSeries = (std::int64_t{1} << kSeriesBits) - 1;
inline constexpr std::int64_t kMostTime = (std::int64_t{1} << kTimeBits) - 1;

constexpr std::int64_t Key(Tier tier, std::int64_t seconds, std::int64_t series = 0) noexcept {
  const std::int64_t time = seconds < 0 ? 0 : seconds > kMostTime ? kMostTime : seconds;
  return (static_cast<std::int64_t>(tier) << (kSeriesBits + kTimeBits)) | (time << kSeriesBits) |
         series;
}
constexpr std::int64_t TimeOf(std::int64_t key) noexcept {
  return (key >> kSeriesBits) & kMostTime;
}
constexpr std::int64_t SeriesOf(std::int64_t key) noexcept { return key & kMostSeries; }
constexpr std::int64_t TierOf(std::int64_t key) noexcept {
  return key >> (kSeriesBits + kTimeBits);
}

constexpr std::int64_t Floor(std::int64_t time, std::int64_t step) noexcept {
  return time - (time % step + step) % step;
}

}  // namespace perf::monitor

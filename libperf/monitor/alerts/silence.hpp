// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/monitor/alerts/matcher.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

inline constexpr Millis kLongestSilence = std::chrono::hours(7 * 24);
inline constexpr std::size_t kMostSilences = 1'000;

/// Alerts that match are evaluated and shown, but nobody is notified of them until `ends_at`.
struct Silence {
  std::string id;                 // given by Add
  std::vector<Matcher> matchers;  // of labels, `alertname` and `severity`; at least one
  std::string author;
  std::string reason;
  WallTime starts_at{};
  WallTime ends_at{};
};
PERF_EXPORT Json ToJson(const Silence& silence);

/// The silences of one engine.
/// Thread safety: none. Memory: at most kMostSilences.
class PERF_EXPORT Silences {
 public:
  /// Gives its id. Throws: ConfigError without matcher, author or reason, for a matcher that
  /// matches everything, for an end that is past or more than 7 d ahead, and when there are too
  /// many.
  std::string Add(Silence silence, WallTime now);
  /// Ends it now; false where there is none of that id.
  bool Expire(std::string_view id, WallTime now);
  /// The one that holds and ends last, or null.
  const Silence* Find(const Labels& labels, WallTime now) const noexcept;
  /// Drops those that are over.
  void Prune(WallTime now);
  const std::vector<Silence>& All() const noexcept { return silences_; }

  Json Save() const;
  /// Leaves out what is not a silence. Returns how many were left out.
  std::size_t Restore(const Json& saved, WallTime now);

 private:
  std::vector<Silence> silences_;
  std::uint64_t made_ = 0;
};

}  // namespace perf::monitor::alerts

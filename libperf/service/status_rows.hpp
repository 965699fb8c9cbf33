// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/report/status.hpp"

namespace perf::service {

/// Makes rows of a status out of what Subjects say, once a sample; remembers what it needs for
/// "lately" (15 s) and for the little lines (15 min in 60 points).
/// What is bad is said here as it is now: a target that is down, a pool without a free connection
/// while somebody waits, a hit ratio that collapsed, underruns. Rules with patience are the
/// alerts'. Thread safety: none. Memory: 60 points a row, at most 1,000 rows.
class PERF_EXPORT StatusRows {
 public:
  static constexpr double kHitRatioWanted = 0.7;
  static constexpr double kFewLookups = 100;

  std::vector<report::StatusRow> Make(const Json& pools, const Json& caches, const Json& audio,
                                      TimePoint now);

 private:
  /// A total as it grew.
  struct Growth {
    std::deque<std::pair<TimePoint, std::vector<double>>> samples;
  };
  struct Spark {
    std::deque<double> points;
    TimePoint next{};
    double most = 0;
  };
  /// How much each of the totals has grown in the last 15 s; restarts where one shrinks.
  std::vector<double> Lately(const std::string& name, std::vector<double> totals, TimePoint now);
  std::vector<double> Line(const std::string& name, double value, TimePoint now);
  report::StatusRow PoolRow(const std::string& name, const Json& pool, TimePoint now);
  report::StatusRow CacheRow(const std::string& name, const Json& cache, TimePoint now);
  report::StatusRow AudioRow(const std::string& name, const Json& optimizer, TimePoint now);

  std::map<std::string, Growth> growths_;
  std::map<std::string, Spark> sparks_;
};

}  // namespace perf::service

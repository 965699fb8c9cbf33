// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/alerts/expression.hpp"
#include "libperf/monitor/alerts/rule.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

struct Point {
  WallTime at;
  double value;
};

struct HistogramPoint {
  WallTime at;
  std::vector<std::uint64_t> counts;  // of each bucket, the last those above all bounds
};

struct StoreLimits {
  Millis interval{0};
  std::size_t max_series = 0;
  std::size_t max_bytes = 0;
};

/// The samples of the series that rules look at, each for as long as the longest window over its
/// metric. A series whose newest sample is older than one and a half intervals is not given.
/// Thread safety: none. Memory: max_series series and max_bytes of samples; what finds no room is
/// counted.
class SeriesStore {
 public:
  struct Series {
    Labels labels;  // sorted
    std::deque<Point> points;
    std::deque<HistogramPoint> histogram;
    metrics::Buckets buckets;
  };

  explicit SeriesStore(StoreLimits limits) : limits_(limits) {}

  /// From now on keeps what these rules look at, and drops the rest.
  void Keep(const RuleSet& rules);
  void Observe(WallTime now, const metrics::MetricsSnapshot& snapshot);
  /// Those that match and are fresh at `now`; `histogram`: those of histograms as a whole.
  void Each(const Selector& selector, WallTime now, bool histogram,
            const std::function<void(const Series&)>& use) const;
  void Retire(const std::vector<Matcher>& matchers);

  std::size_t Size() const noexcept { return size_; }
  std::size_t Bytes() const noexcept { return bytes_; }
  std::uint64_t Refused() const noexcept { return refused_; }

 private:
  struct Metric {
    Millis window{0};
    std::vector<std::vector<Matcher>> wanted;  // any of them
    std::map<Labels, Series> series;
  };

  void Need(const Expression& expression, bool histogram);
  void Take(std::string_view name, const Labels& labels, WallTime now,
            const metrics::Sample& sample, bool histogram);
  template <typename Points, typename NewPoint>
  void Push(Points& points, NewPoint point, Millis window, std::size_t bytes);
  void Prune(WallTime now);
  void Drop(const Series& series);

  StoreLimits limits_;
  std::map<std::string, Metric, std::less<>> numbers_;
  std::map<std::string, Metric, std::less<>> histograms_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t refused_ = 0;
  WallTime pruned_{};
};

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/metrics/family.hpp"
#include "libperf/monitor/history/cell.hpp"

namespace perf::monitor {

/// What a point says about its stretch of time.
///   kAvg   mean of a gauge's samples, of a histogram's observations; of a counter as kRate
///   kMin, kMax  of a gauge's samples; of a counter its slowest and fastest rate; of a histogram
///          bounds below and above all observations
///   kRate  growth a second of a counter, observations a second of a histogram; not of gauges
///   kSum   growth of a counter, observations of a histogram; not of gauges
///   kQuantile  of a histogram, at most 27 % too high; not of the others
struct Aggregate {
  enum class Kind : std::uint8_t { kAvg, kMin, kMax, kRate, kSum, kQuantile };
  Kind kind = Kind::kAvg;
  double quantile = 0;  // 0 to 1

  friend bool operator==(const Aggregate&, const Aggregate&) = default;
};

/// "avg", "min", "max", "rate", "sum", or "p" with a percentile: "p50", "p99.9".
/// Throws: ConfigError that names what there is.
PERF_EXPORT Aggregate ParseAggregate(std::string_view text);
PERF_EXPORT std::string Name(const Aggregate& aggregate);

struct HistoryQuery {
  std::string metric;            // a name as in the metrics; no pattern
  metrics::Labels labels;        // those that a series must have; it may have more
  WallTime from{};               // rounded down to the step
  WallTime to{};                 // exclusive, rounded up
  std::chrono::seconds step{0};  // 0: the finest that keeps to max_points
  Aggregate aggregate;
  /// One line out of all series that match: gauges' samples together, counters' growth and
  /// histograms added.
  bool merged = false;
  std::size_t max_points = 1000;  // of a line; 1 to 100,000
  std::size_t max_lines = 50;
};

struct HistoryPoint {
  WallTime start;  // of the stretch, which lasts `step`
  double value = 0;
};

struct HistoryLine {
  metrics::Labels labels;            // of the series; of a merged line those asked for
  std::vector<HistoryPoint> points;  // in order; where nothing was seen, there is none
};

struct HistoryAnswer {
  metrics::Type type = metrics::Type::kGauge;
  std::string unit;              // of the metric, or empty
  std::string tier;              // "system", "app", "1m", "15m"; empty where no series matches
  std::chrono::seconds step{0};  // of the points: as asked, or longer for the cap or the tier
  WallTime from{};               // as rounded
  WallTime to{};
  std::vector<HistoryLine> lines;  // by labels
  std::size_t left_off = 0;        // lines beyond max_lines
};

/// As GET /performance/metrics/history answers: {"metric", "agg", "unit", "tier", "step_s",
/// "from", "to", "left_off", "series": [{"labels": {…}, "points": [[seconds, value], …]}, …]}.
PERF_EXPORT Json ToJson(const HistoryQuery& query, const HistoryAnswer& answer);

/// One series that is kept.
struct HistorySeries {
  std::string metric;
  metrics::Labels labels;
  metrics::Type type = metrics::Type::kGauge;
  std::string unit;
  WallTime last{};  // seen, to the hour
};

}  // namespace perf::monitor

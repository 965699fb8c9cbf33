// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/metrics/family.hpp"
#include "libperf/monitor/history/cell.hpp"
#include "libperf/monitor/history/layout.hpp"

namespace perf::monitor {

/// Who a series is.
struct SeriesName {
  std::string metric;
  metrics::Labels labels;   // in order of their names
  std::string labels_json;  // an object
  metrics::Type type = metrics::Type::kGauge;
  std::string unit;
  Tier first = kAppTier;
};

/// One series as a snapshot showed it.
struct Taken {
  std::shared_ptr<const SeriesName> name;
  double value = 0;
  std::optional<metrics::HistogramSnapshot> histogram;
  std::optional<double> created;
};

/// What was seen of a total last.
struct Seen {
  bool known = false;
  WallTime at{};
  double value = 0;
  std::optional<metrics::HistogramSnapshot> histogram;
  std::optional<double> created;
};

/// What a series did from `before` to `now`; nothing where that can't be told: a total seen for
/// the first time, unless it began (`created`) within the last three steps, or not seen for longer
/// than three steps; a value that is no number. A total that began anew, by its `created` or by
/// being smaller than before, grew by what it shows. Elapsed times are rounded to 1/64 s, so that
/// their sums are exact.
std::optional<Cell> Growth(const Seen& before, const Taken& taken, WallTime now, std::int64_t step);
/// Keeps what the next Growth needs.
void Settle(Seen& seen, Taken&& taken, WallTime now);

}  // namespace perf::monitor

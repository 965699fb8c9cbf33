// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::monitor {

struct ExpositionLimits {
  std::size_t bytes = std::size_t{8} << 20;
  std::size_t series = 20'000;     // samples of the text, buckets of histograms included
  std::size_t label_bytes = 4096;  // all of one series, with their names
  std::size_t labels = 64;         // of one series
};

/// What a text gave. `error` is empty, or names the line and what is wrong there: then the snapshot
/// is empty, for half a scrape is none.
struct ParsedExposition {
  metrics::MetricsSnapshot snapshot;
  std::string error;
  std::size_t series = 0;    // samples read
  std::size_t left_out = 0;  // quantiles of summaries, parts of histograms without a count, and
                             // series that stood twice
};

/// Reads Prometheus' text format 0.0.4, or OpenMetrics 1.0 where `open_metrics`. For hostile input:
/// bounded, and linear in its length. Time stamps, exemplars and _created are read and dropped.
/// Metrics without a type, infos and state sets become gauges. Labels are sorted by name.
/// A classic histogram becomes one of ours: the count of each of its buckets goes to the smallest
/// of our bounds that is not below the bucket's own, which is exact for the bounds 1, 2 and 5 of a
/// decade, so for perfkit's own, and at most 27 % too high for others; sum and count stay.
/// Thread safety: a pure function. Source: the format's text in Prometheus' documentation and the
/// OpenMetrics specification.
PERF_EXPORT ParsedExposition ParseExposition(std::string_view text, bool open_metrics,
                                             const ExpositionLimits& limits = {});

/// Appends the families of `more` to `into`, with the label `label` = `value` on each series; a
/// label of that name that is there already is called exported_NAME from then on. Families that are
/// there with another type are left out and told in `into.errors`.
PERF_EXPORT void MergeSnapshot(metrics::MetricsSnapshot& into, const metrics::MetricsSnapshot& more,
                               const std::string& label, const std::string& value);

}  // namespace perf::monitor

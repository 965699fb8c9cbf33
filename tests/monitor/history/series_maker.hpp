// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/history/cell.hpp"

namespace perf::monitor::test {

inline metrics::FamilySnapshot Family(std::string name, metrics::Type type, std::string unit = "") {
  metrics::FamilySnapshot family;
  family.spec.name = std::move(name);
  family.spec.type = type;
  family.spec.unit = std::move(unit);
  return family;
}

inline metrics::Sample Sample(metrics::Labels labels, double value,
                              std::optional<double> created = std::nullopt) {
  metrics::Sample sample;
  sample.labels = std::move(labels);
  sample.value = value;
  sample.created = created;
  return sample;
}

inline metrics::Sample Sample(metrics::Labels labels, metrics::HistogramSnapshot histogram) {
  metrics::Sample sample;
  sample.labels = std::move(labels);
  sample.histogram = std::move(histogram);
  return sample;
}

inline metrics::MetricsSnapshot Snapshot(std::vector<metrics::FamilySnapshot> families) {
  metrics::MetricsSnapshot snapshot;
  snapshot.families = std::move(families);
  return snapshot;
}

/// A Monday at midnight: all steps begin there.
inline constexpr std::int64_t kStart = 1'800'230'400;

}  // namespace perf::monitor::test

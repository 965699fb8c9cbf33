// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::test {

/// Snapshots made by hand.
class SeriesFeed {
 public:
  SeriesFeed& Gauge(const std::string& name, metrics::Labels labels, double value) {
    return Add(name, metrics::Type::kGauge, std::move(labels), value);
  }
  SeriesFeed& Counter(const std::string& name, metrics::Labels labels, double value) {
    return Add(name, metrics::Type::kCounter, std::move(labels), value);
  }
  SeriesFeed& Histogram(const std::string& name, metrics::Labels labels,
                        metrics::HistogramSnapshot histogram) {
    metrics::Sample sample;
    sample.labels = std::move(labels);
    sample.histogram = std::move(histogram);
    Family(name, metrics::Type::kHistogram).samples.push_back(std::move(sample));
    return *this;
  }
  const metrics::MetricsSnapshot& Snapshot() const { return snapshot_; }

 private:
  SeriesFeed& Add(const std::string& name, metrics::Type type, metrics::Labels labels,
                  double value) {
    metrics::Sample sample;
    sample.labels = std::move(labels);
    sample.value = value;
    Family(name, type).samples.push_back(std::move(sample));
    return *this;
  }
  metrics::FamilySnapshot& Family(const std::string& name, metrics::Type type) {
    for (metrics::FamilySnapshot& family : snapshot_.families) {
      if (family.spec.name == name) return family;
    }
    snapshot_.families.push_back({{name, "", type, "", true}, {}});
    return snapshot_.families.back();
  }
  metrics::MetricsSnapshot snapshot_;
};

/// A whole minute some time ago, and seconds after it.
inline monitor::alerts::WallTime At(double seconds) {
  return monitor::alerts::WallTime(
      monitor::alerts::Millis(1'700'000'040'000 + static_cast<long long>(seconds * 1e3)));
}

}  // namespace perf::test

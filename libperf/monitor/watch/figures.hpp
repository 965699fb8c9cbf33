// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "libperf/metrics/family.hpp"
#include "libperf/monitor/watch/probe.hpp"

namespace perf::monitor {

/// Adds figures of our own families to a probe's result.
/// Thread safety: none.
class Figures {
 public:
  explicit Figures(ProbeResult& result) : result_(result) {}
  void Gauge(const char* name, const char* help, double value, metrics::Labels labels = {}) const {
    Add(name, help, metrics::Type::kGauge, value, std::move(labels));
  }
  void Counter(const char* name, const char* help, double value,
               metrics::Labels labels = {}) const {
    Add(name, help, metrics::Type::kCounter, value, std::move(labels));
  }

 private:
  void Add(const char* name, const char* help, metrics::Type type, double value,
           metrics::Labels labels) const {
    metrics::FamilySpec spec{name, help, type, "", false};
    for (const char* const unit : {"seconds", "bytes", "ratio"}) {
      if (metrics::BaseName(spec).ends_with(std::string("_") + unit)) spec.unit = unit;
    }
    metrics::Sample sample;
    sample.labels = std::move(labels);
    sample.value = value;
    result_.figures.emplace_back(std::move(spec), std::move(sample));
  }
  ProbeResult& result_;
};

}  // namespace perf::monitor

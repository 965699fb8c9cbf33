// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "libperf/metrics/family.hpp"
#include "libperf/monitor/watch/probe.hpp"

namespace perf::monitor {

/// Adds figures of our own families to a probe's result. What a server says twice counts once, the
/// first time: a series that stood twice would be held against all targets.
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
    for (const auto& [known, sample] : result_.figures) {
      if (known.name == name && sample.labels == labels) return;
    }
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

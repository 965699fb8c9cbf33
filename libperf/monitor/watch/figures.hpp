// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "libperf/metrics/family.hpp"
#include "libperf/monitor/watch/probe.hpp"

namespace perf::monitor {

/// What a figure of a server is called, and the one label that its series has; or none (null).
struct FigureSpec {
  const char* name;
  const char* help;
  metrics::Type type;
  const char* label;
  const char* value;
};

/// Adds figures of our own families to a probe's result. What a server says twice counts once, the
/// first time: a series that stood twice would be held against all targets.
/// Thread safety: none.
class Figures {
 public:
  explicit Figures(ProbeResult& result) : result_(result) {}
  void Add(const FigureSpec& figure, double value) const {
    metrics::Labels labels;
    if (figure.label != nullptr) labels.emplace_back(figure.label, figure.value);
    Add(figure.name, figure.help, figure.type, value, std::move(labels));
  }
  void Gauge(const char* name, const char* help, double value, metrics::Labels labels = {}) const {
    Add(name, help, metrics::Type::kGauge, value, std::move(labels));
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

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/base/export.hpp"
#include "libperf/monitor/alerts/rule.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

struct PrometheusOptions {
  std::string group = "perfkit";
  Millis interval = std::chrono::seconds(10);
  /// Writes the dead band as `enter or (clear and the alert fires)`; needs Prometheus to evaluate
  /// its own ALERTS, which it does.
  bool dead_band = true;
};

/// The rules as a Prometheus rule file: one alerting rule for each level, with the label
/// `severity`. What Prometheus has no word for is left out and said in a comment: unknown data
/// (there a series that vanishes resolves), and inhibition, which is Alertmanager's.
/// On gap-free series, one level and no dead band both engines agree (tests/monitor/alerts).
PERF_EXPORT std::string ToPrometheusRules(const RuleSet& rules,
                                          const PrometheusOptions& options = {});

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/task.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/watch/watch.hpp"

namespace perf::monitor {

/// What one probe of a target gave beside its latency.
struct ProbeResult {
  backends::Failure failure;
  /// Our own families of the target, without its label.
  std::vector<std::pair<metrics::FamilySpec, metrics::Sample>> figures;
  metrics::MetricsSnapshot scraped;  // of kScrape
};

/// Asks one target; keeps its connection from one probe to the next.
/// Thread safety: none; on its loop's thread. Lifetime: as connectors, until the loop is drained.
class Probe {
 public:
  virtual ~Probe();
  /// Never throws for what the target did: see `result.failure`.
  virtual Task<void> Ask(ProbeResult& result, Deadline deadline) = 0;
  /// Lets the connection go.
  virtual void Close() noexcept = 0;
};

/// Throws: ConfigError for a URL that cannot be.
std::unique_ptr<Probe> MakePostgresProbe(backends::EventLoop& loop, const WatchTarget& target);
std::unique_ptr<Probe> MakeRedisProbe(backends::EventLoop& loop, const WatchTarget& target);
std::unique_ptr<Probe> MakeHttpProbe(backends::EventLoop& loop, const WatchTarget& target,
                                     const ExpositionLimits& limits);

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/pool/breaker.hpp"
#include "libperf/pool/limits.hpp"
#include "libperf/pool/retry_budget.hpp"

namespace perf::pool {

/// How long things took in one pool; filled by its front, 3 KiB.
/// Thread safety: all members' methods.
struct PoolTimes {
  metrics::LogHistogram wait;    // from asking for a connection to having it
  metrics::LogHistogram use;     // from having it to giving it back
  metrics::LogHistogram create;  // dials that succeeded
};

/// One pool at one instant, for metrics.
struct PoolFigures {
  std::string pool;
  std::string backend;  // postgresql, redis, http
  Counts now;
  Statistics totals;
  std::size_t min = 0;
  std::size_t max = 0;
  const PoolTimes* times = nullptr;  // none: no histograms
  std::optional<BreakerSnapshot> breaker;
  std::optional<RetryBudget::Snapshot> retries;
};

/// Whose names the series get. kHikari adds those that HikariCP exports, by its own Prometheus
/// tracker and by Micrometer, so that dashboards made for them show these pools.
enum class PoolNames { kPerfkit, kHikari };

/// Adds the families perfkit_pool_… of one pool, labels `pool` and `backend`; perfkit-metrics(7)
/// lists them. Thread safety: as the collection.
PERF_EXPORT void AddPoolMetrics(const PoolFigures& figures, metrics::Collection& collection,
                                PoolNames names = PoolNames::kPerfkit);

/// Registers a collector "pool NAME" that asks `figures` at each scrape, in the scraper's thread.
/// Throws: Error where a pool of that name is registered already.
[[nodiscard]] PERF_EXPORT metrics::Registry::Registration RegisterPoolMetrics(
    metrics::Registry& registry, const std::string& pool, std::function<PoolFigures()> figures,
    PoolNames names = PoolNames::kPerfkit);

}  // namespace perf::pool

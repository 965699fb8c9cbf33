// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "libperf/base/export.hpp"
#include "libperf/cache/cache_stats.hpp"
#include "libperf/cache/cache_times.hpp"
#include "libperf/cache/timed_tier.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::cache {

/// One cache at one instant, for metrics.
struct CacheFigures {
  std::string cache;
  CacheStats stats;
  std::uint64_t max_entries = 0;          // 0: no limit, and no series
  std::uint64_t max_bytes = 0;            // likewise
  std::uint64_t undecodable_values = 0;   // told by typed fronts
  const CacheTimes* times = nullptr;      // none: no histograms of the cache
  const TierTimes* tier_times = nullptr;  // none: none of the second tier
  const SecondTier* tier = nullptr;       // none: nothing that only it knows
};

/// Adds the families perfkit_cache_… of one cache, labels `cache` and mostly `tier` (l1, l2);
/// perfkit-metrics(7) lists them. Hit ratios are left to whoever reads: requests by result.
/// Thread safety: as the collection.
PERF_EXPORT void AddCacheMetrics(const CacheFigures& figures, metrics::Collection& collection);

/// Registers a collector "cache NAME" that asks `figures` at each scrape, in the scraper's thread.
/// Throws: Error where a cache of that name is registered already.
[[nodiscard]] PERF_EXPORT metrics::Registry::Registration RegisterCacheMetrics(
    metrics::Registry& registry, const std::string& cache, std::function<CacheFigures()> figures);

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/metric_catalogue.hpp"

#include "libperf/audio/memory_optimizer.hpp"
#include "libperf/cache/cache_metrics.hpp"
#include "libperf/monitor/monitor.hpp"
#include "libperf/pool/pool_metrics.hpp"

namespace perf::report {
namespace {

pool::PoolFigures Pool(const pool::PoolTimes& times) {
  pool::PoolFigures figures;
  figures.pool = "main";
  figures.backend = "postgresql";
  figures.max = 1;
  figures.times = &times;
  figures.breaker.emplace();
  figures.retries.emplace();
  return figures;
}

cache::CacheFigures Cache(const cache::CacheTimes& times, const cache::TierTimes& tier_times) {
  cache::CacheFigures figures;
  figures.cache = "main";
  figures.stats.tier_present = true;
  figures.max_entries = 1;
  figures.max_bytes = 1;
  figures.times = &times;
  figures.tier_times = &tier_times;
  return figures;
}

/// One of each of what a monitor tracks; what is there from the start needs none.
void Track(monitor::Monitor& monitor) {
  monitor::RequestTracker& tracker = monitor.Track();
  {
    const auto scope = tracker.TrackRequest("/", "GET");
  }
  {
    const auto scope = tracker.TrackDatabaseOperation("select", "table");
  }
  {
    const auto scope = tracker.TrackExternalCall("service", "operation");
  }
  tracker.UpdateQueueSize("main", 0);
  tracker.UpdateErrorRate("main", 0);
  tracker.UpdateThroughput("main", 0);
  tracker.SetGauge("main", 0);
  monitor::WatchTarget target;
  target.name = "main";
  target.url = "http://127.0.0.1:1/";
  monitor.Targets().Add(target);  // never asked: the monitor is not started
}

}  // namespace

metrics::MetricsSnapshot MetricCatalogue() {
  monitor::Monitor monitor;
  metrics::Registry& registry = monitor.Metrics();
  const pool::PoolTimes pool_times;
  const cache::CacheTimes cache_times;
  const cache::TierTimes tier_times;
  audio::AudioMemoryOptimizer audio;
  Track(monitor);
  const auto pools = pool::RegisterPoolMetrics(registry, "main", [&] { return Pool(pool_times); });
  const auto caches =
      cache::RegisterCacheMetrics(registry, "main", [&] { return Cache(cache_times, tier_times); });
  const auto streams = audio.RegisterMetrics(registry);
  return registry.Gather();
}

}  // namespace perf::report

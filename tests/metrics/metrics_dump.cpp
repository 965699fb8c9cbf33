// SPDX-License-Identifier: Apache-2.0
// Prints one registry with a family of each type, for parsers that other people wrote:
// metrics_dump text|openmetrics.
#include <chrono>
#include <cstdio>
#include <string>

#include "libperf/cache/cache_metrics.hpp"
#include "libperf/metrics/exposition.hpp"
#include "libperf/pool/pool_metrics.hpp"

namespace {

using namespace perf::metrics;

void Fill(Registry& registry) {
  auto& acquires = registry.Counters({.name = "perfkit_example_acquires_total",
                                      .help = "Loans by \"result\", with a \\ and\na second line.",
                                      .labels = {"pool", "result"}});
  acquires.With({"main", "ok"}).Add(12345678901234);
  acquires.With({"main", "timeout"});
  acquires.With({"quote \" backslash \\ line\nend \u00e9", "ok"}).Add(7);
  registry
      .Counters({.name = "perfkit_system_cpu_seconds_total",
                 .help = "Processor time.",
                 .unit = "seconds",
                 .labels = {"mode"},
                 .scale = 1e-9})
      .With({"user"})
      .Add(1'234'567'890);
  registry.Gauges({.name = "perfkit_example_size_bytes", .help = "Bytes.", .unit = "bytes"})
      .With({})
      .Set(52428800);
  registry.Gauges({.name = "perfkit_load_ratio", .help = "A ratio.", .unit = "ratio"})
      .With({})
      .Set(0.1);
  auto& waits = registry.Histograms({.name = "perfkit_example_wait_seconds",
                                     .help = "Waits.",
                                     .unit = "seconds",
                                     .labels = {"pool"}});
  for (int i = 1; i <= 1000; ++i) waits.With({"main"}).Observe(std::chrono::microseconds(i * i));
  waits.With({"main"}).Observe(std::chrono::hours(1));
  registry.Histograms({.name = "perfkit_body_bytes", .help = "Sizes.", .unit = "bytes"}, kByteSizes)
      .With({})
      .Observe(4096U);
}

}  // namespace

int main(int argc, char** argv) {
  Registry registry;
  Fill(registry);
  // Both pools add to the same families.
  perf::pool::PoolTimes times;
  times.wait.Observe(std::chrono::milliseconds(3));
  const auto figures = [&](const char* name) {
    perf::pool::PoolFigures pool;
    pool.pool = name;
    pool.backend = "postgresql";
    pool.now.idle = 3;
    pool.now.in_use = 2;
    pool.max = 20;
    pool.times = &times;
    pool.breaker.emplace();
    pool.retries.emplace();
    return pool;
  };
  const auto one =
      perf::pool::RegisterPoolMetrics(registry, "main", [&] { return figures("main"); });
  const auto two =
      perf::pool::RegisterPoolMetrics(registry, "other", [&] { return figures("other"); });
  perf::cache::CacheTimes cache_times;
  perf::cache::TierTimes tier_times;
  cache_times.get.Observe(std::chrono::milliseconds(3));
  tier_times.Of(perf::cache::TierOperation::kSet).Observe(std::chrono::milliseconds(1));
  const auto guests = perf::cache::RegisterCacheMetrics(registry, "guests", [&] {
    perf::cache::CacheFigures cache;
    cache.cache = "guests";
    cache.stats.memory_hits = 7;
    cache.stats.tier_present = true;
    cache.stats.tier_misses = 2;
    cache.max_entries = 1000;
    cache.max_bytes = 1 << 20;
    cache.times = &cache_times;
    cache.tier_times = &tier_times;
    return cache;
  });
  const auto alone = perf::cache::RegisterCacheMetrics(registry, "alone", [] {
    perf::cache::CacheFigures cache;
    cache.cache = "alone";
    return cache;
  });
  const bool open = argc > 1 && std::string(argv[1]) == "openmetrics";
  ExpositionOptions options;
  options.format = open ? Format::kOpenMetrics : Format::kPrometheus;
  options.created = open;
  options.all_buckets = argc > 2;
  const std::string text = Expose(registry.Gather(), options);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// SPDX-License-Identifier: Apache-2.0
// Prints one registry with a family of each type, for parsers that other people wrote:
// metrics_dump text|openmetrics.
#include <cstdio>
#include <string>

#include "libperf/metrics/exposition.hpp"

namespace {

using namespace perf::metrics;

void Fill(Registry& registry) {
  auto& acquires = registry.Counters({.name = "perfkit_pool_acquires_total",
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
  registry.Gauges({.name = "perfkit_cache_size_bytes", .help = "Bytes.", .unit = "bytes"})
      .With({})
      .Set(52428800);
  registry.Gauges({.name = "perfkit_load_ratio", .help = "A ratio.", .unit = "ratio"})
      .With({})
      .Set(0.1);
  auto& waits = registry.Histograms({.name = "perfkit_pool_connection_wait_seconds",
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
  const auto collector = registry.Collect("pools", [](Collection& collection) {
    const FamilySpec used{"perfkit_pool_connections", "Connections.", Type::kGauge, "", false};
    collection.Value(used, {{"pool", "main"}, {"state", "idle"}}, 3);
    collection.Value(used, {{"pool", "main"}, {"state", "used"}}, 2);
  });
  const bool open = argc > 1 && std::string(argv[1]) == "openmetrics";
  ExpositionOptions options;
  options.format = open ? Format::kOpenMetrics : Format::kPrometheus;
  options.created = open;
  options.all_buckets = argc > 2;
  const std::string text = Expose(registry.Gather(), options);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

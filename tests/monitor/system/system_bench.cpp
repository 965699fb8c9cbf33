// SPDX-License-Identifier: Apache-2.0
// What one sample costs: system_bench [SAMPLES] prints one JSON object. 1000 us a second are 0.1 %
// of a core.
#include <cstdio>
#include <cstdlib>

#include "libperf/base/cpu_time.hpp"
#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/system/system_sampler.hpp"

int main(int argc, char** argv) {
  using namespace perf;
  const int samples = argc > 1 ? std::atoi(argv[1]) : 2000;
  monitor::SystemSampler sampler;
  metrics::Registry registry;
  const auto registration = sampler.RegisterMetrics(registry, Duration{});
  const auto cost = [&](auto&& once) {
    for (int i = 0; i < 10; ++i) once();
    const Duration start = ThreadCpu();
    for (int i = 0; i < samples; ++i) once();
    return static_cast<double>((ThreadCpu() - start).count()) / 1e3 / samples;
  };
  const double sample = cost([&] { sampler.Sample(Clock::now()); });
  const double scrape = cost([&] { (void)registry.Gather(); });
  const monitor::SystemSnapshot now = sampler.Latest();
  std::printf(
      "{\"samples\": %d, \"sample_cpu_us\": %.2f, \"percent_of_core_at_1s\": %.4f, "
      "\"gather_cpu_us\": %.2f, \"disks\": %zu, \"networks\": %zu}\n",
      samples, sample, sample / 1e4, scrape, now.reading.disks.size(), now.reading.networks.size());
}

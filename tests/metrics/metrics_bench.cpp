// SPDX-License-Identifier: Apache-2.0
// What the hot paths cost: metrics_bench [MILLISECONDS [THREADS]] prints one JSON object.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/pool/breaker.hpp"
#include "libperf/pool/retry_budget.hpp"

namespace {

using namespace perf;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Nanoseconds of processor time that one call of `body(i)` takes, on `threads` at once.
template <typename Body>
double Measure(Duration time, unsigned threads, Body body) {
  constexpr std::uint64_t kBatch = 10'000;
  std::atomic<std::uint64_t> calls{0};
  const double start = CpuSeconds();
  std::vector<std::thread> all;
  for (unsigned t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      std::uint64_t own = 0;
      const TimePoint end = Clock::now() + time;
      do {
        for (std::uint64_t i = 0; i < kBatch; ++i) body(own + i);
        own += kBatch;
      } while (Clock::now() < end);
      calls.fetch_add(own);
    });
  }
  for (std::thread& thread : all) thread.join();
  return (CpuSeconds() - start) * 1e9 / static_cast<double>(calls.load());
}

}  // namespace

int main(int argc, char** argv) {
  const Duration time = std::chrono::milliseconds(argc > 1 ? std::atoi(argv[1]) : 200);
  const auto threads = static_cast<unsigned>(argc > 2 ? std::atoi(argv[2]) : 1);
  const TimePoint now = Clock::now();
  metrics::Registry registry;
  auto& counter = registry.Counters({.name = "perfkit_x_total", .help = "x"}).With({});
  auto& gauge = registry.Gauges({.name = "perfkit_y", .help = "y"}).With({});
  auto& histogram = registry.Histograms({.name = "perfkit_z_seconds", .help = "z"}).With({});
  pool::Breaker by_calls{pool::BreakerOptions{}};
  pool::BreakerOptions timed;
  timed.window = pool::BreakerOptions::Window::kTime;
  pool::Breaker by_time(timed);
  pool::Breaker open{pool::BreakerOptions{}};
  open.ForceOpen(now);
  pool::RetryBudget budget;
  const auto call = [now](pool::Breaker& breaker) {
    return [&breaker, now](std::uint64_t) {
      pool::Breaker::Permit permit = breaker.Allow(now);
      breaker.Record(std::move(permit), pool::Breaker::Outcome::kSuccess, Duration(1000), now);
    };
  };
  std::printf("{\"threads\": %u", threads);
  const auto print = [](const char* name, double ns) {
    std::printf(", \"%s_ns\": %.2f", name, ns);
  };
  print("empty_loop", Measure(time, threads, [](std::uint64_t i) { asm volatile("" : : "r"(i)); }));
  print("counter_add", Measure(time, threads, [&](std::uint64_t) { counter.Add(); }));
  print("gauge_add", Measure(time, threads, [&](std::uint64_t) { gauge.Add(1); }));
  print("histogram_observe",
        Measure(time, threads, [&](std::uint64_t i) { histogram.Observe((i & 0xffff) * 997); }));
  print("breaker_calls", Measure(time, threads, call(by_calls)));
  print("breaker_time", Measure(time, threads, call(by_time)));
  print("breaker_refused", Measure(time, threads, [&](std::uint64_t) { (void)open.Allow(now); }));
  print("budget_deposit", Measure(time, threads, [&](std::uint64_t) { budget.Deposit(); }));
  std::printf("}\n");
}

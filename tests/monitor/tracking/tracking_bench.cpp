// SPDX-License-Identifier: Apache-2.0
// What a scope costs: tracking_bench [MILLISECONDS [THREADS]] prints one JSON object, nanoseconds
// of CPU time a scope.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/cpu_time.hpp"
#include "libperf/monitor/tracking/tracker.hpp"

namespace {

using namespace perf;

template <typename MakeBody>
double Measure(Duration time, unsigned threads, MakeBody make) {
  constexpr std::uint64_t kBatch = 10'000;
  std::atomic<std::uint64_t> calls{0};
  const Duration start = ProcessCpu();
  std::vector<std::thread> all;
  for (unsigned t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      auto body = make(t);
      std::uint64_t own = 0;
      const TimePoint end = Clock::now() + time;
      do {
        for (std::uint64_t i = 0; i < kBatch; ++i) body();
        own += kBatch;
      } while (Clock::now() < end);
      calls.fetch_add(own);
    });
  }
  for (std::thread& thread : all) thread.join();
  return static_cast<double>((ProcessCpu() - start).count()) / static_cast<double>(calls.load());
}

}  // namespace

int main(int argc, char** argv) {
  const Duration time = std::chrono::milliseconds(argc > 1 ? std::atoi(argv[1]) : 500);
  const auto threads = static_cast<unsigned>(argc > 2 ? std::atoi(argv[2]) : 2);
  monitor::RequestTracker tracker;
  // A table as full as it is in life.
  for (int i = 0; i < 150; ++i) (void)tracker.Request("/api/v1/some/" + std::to_string(i), "GET");
  const auto name = [](unsigned t) { return "/api/v1/some/" + std::to_string(t * 7); };
  const double handle = Measure(time, threads, [&](unsigned t) {
    return [handle = tracker.Request(name(t), "GET")] { monitor::TrackedScope scope(handle); };
  });
  const double by_name = Measure(time, threads, [&](unsigned t) {
    return [&tracker, endpoint = name(t)] { (void)tracker.TrackRequest(endpoint, "GET"); };
  });
  const double shared = Measure(time, threads, [&](unsigned) {
    return [handle = tracker.Request("/shared", "GET")] { monitor::TrackedScope scope(handle); };
  });
  const double overflow = Measure(time, threads, [&](unsigned) {
    return [&tracker, long_name = std::string(200, 'x')] {
      (void)tracker.TrackRequest(long_name, "GET");
    };
  });
  std::printf(
      "{\"threads\": %u, \"handle_ns\": %.1f, \"name_ns\": %.1f, \"shared_handle_ns\": %.1f, "
      "\"overflow_ns\": %.1f}\n",
      threads, handle, by_name, shared, overflow);
}

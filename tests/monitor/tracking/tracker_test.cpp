// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/tracking/tracker.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/tracking/bounded_series.hpp"

using namespace perf;
using namespace perf::monitor;
using std::chrono::milliseconds;

namespace {

constexpr TimePoint kStart{std::chrono::seconds(1000)};

/// The value of a series in the text, or -1 where it is not there.
double ValueOf(const metrics::Registry& registry, const std::string& series) {
  const std::string text = "\n" + metrics::Expose(registry.Gather());
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

}  // namespace

TEST_CASE("scopes count what ended, by result, and what is under way") {
  RequestTracker tracker;
  metrics::Registry registry;
  const auto registration = tracker.RegisterMetrics(registry);
  const TrackedHandle calls = tracker.Request("/calls", "POST");
  TrackedScope(calls, kStart).End(kStart + milliseconds(3));
  TrackedScope failed(calls, kStart);
  failed.SetError();
  failed.End(kStart + milliseconds(40));
  failed.End(kStart + milliseconds(50));  // the first one counts
  TrackedScope forgotten(calls, kStart);
  forgotten.Cancel();
  TrackedScope open = tracker.TrackRequest("/calls", "POST");
  const std::string labels = "{endpoint=\"/calls\",method=\"POST\"";
  CHECK(ValueOf(registry, "perfkit_requests_total" + labels + ",result=\"ok\"}") == 1);
  CHECK(ValueOf(registry, "perfkit_requests_total" + labels + ",result=\"error\"}") == 1);
  CHECK(ValueOf(registry, "perfkit_requests_active" + labels + "}") == 1);
  CHECK(ValueOf(registry, "perfkit_request_duration_seconds_count" + labels + "}") == 2);
  CHECK(ValueOf(registry, "perfkit_request_duration_seconds_sum" + labels + "}") ==
        doctest::Approx(0.043));
  CHECK(ValueOf(registry, "perfkit_request_duration_seconds_bucket" + labels + ",le=\"0.005\"}") ==
        1);
  // A moved scope ends once.
  TrackedScope moved(std::move(open));
  CHECK(ValueOf(registry, "perfkit_requests_active" + labels + "}") == 1);
  moved = TrackedScope();
  CHECK(ValueOf(registry, "perfkit_requests_active" + labels + "}") == 0);
  CHECK(tracker.Requests().duration.Count() == 3);
  CHECK(tracker.Requests().errors == 1);
}

TEST_CASE("database operations, calls, queues, rates and gauges are families of their own") {
  RequestTracker tracker;
  metrics::Registry registry;
  const auto registration = tracker.RegisterMetrics(registry);
  {
    const TrackedScope scope = tracker.TrackDatabaseOperation("select", "guests");
  }
  {
    TrackedScope scope = tracker.TrackExternalCall("speech", "tts");
    scope.SetError();
  }
  tracker.UpdateQueueSize("calls", 7);
  tracker.UpdateQueueSize("calls", 3);
  tracker.UpdateErrorRate("gateway", 0.25);
  tracker.UpdateThroughput("turns", 12.5);
  tracker.SetGauge("temperature", -4);
  CHECK(ValueOf(registry,
                "perfkit_database_operations_total{operation=\"select\","
                "table=\"guests\",result=\"ok\"}") == 1);
  CHECK(ValueOf(registry,
                "perfkit_external_calls_total{service=\"speech\",operation=\"tts\","
                "result=\"error\"}") == 1);
  CHECK(ValueOf(registry, "perfkit_queue_size{queue=\"calls\"}") == 3);
  CHECK(ValueOf(registry, "perfkit_queue_size_peak{queue=\"calls\"}") == 7);
  CHECK(ValueOf(registry, "perfkit_application_error_ratio{source=\"gateway\"}") == 0.25);
  CHECK(ValueOf(registry, "perfkit_application_throughput_per_second{operation=\"turns\"}") ==
        12.5);
  CHECK(ValueOf(registry, "perfkit_application_value{name=\"temperature\"}") == -4);
  CHECK(ValueOf(registry, "perfkit_tracking_overflows_total{metric=\"request\"}") == 0);
  CHECK(registry.Gather().errors.empty());
}

TEST_CASE("series are bounded for each metric; the rest goes to `other` and is counted") {
  RequestTracker tracker({.max_series = 3});
  metrics::Registry registry;
  const auto registration = tracker.RegisterMetrics(registry);
  for (int i = 0; i < 100; ++i) {
    const TrackedScope scope = tracker.TrackRequest("/user/" + std::to_string(i), "GET");
  }
  {
    const TrackedScope known = tracker.TrackRequest("/user/0", "GET");
  }
  tracker.UpdateQueueSize(std::string(1000, 'x'), 5);
  CHECK(ValueOf(registry,
                "perfkit_requests_total{endpoint=\"other\",method=\"other\","
                "result=\"ok\"}") == 97);
  CHECK(ValueOf(registry,
                "perfkit_requests_total{endpoint=\"/user/0\",method=\"GET\","
                "result=\"ok\"}") == 2);
  CHECK(ValueOf(registry, "perfkit_tracking_overflows_total{metric=\"request\"}") == 97);
  CHECK(ValueOf(registry, "perfkit_queue_size{queue=\"other\"}") == 5);
  CHECK(ValueOf(registry, "perfkit_tracking_overflows_total{metric=\"queue\"}") == 1);
  // The bound holds for each metric alone.
  {
    const TrackedScope scope = tracker.TrackDatabaseOperation("select", "t");
  }
  CHECK(ValueOf(registry, "perfkit_tracking_overflows_total{metric=\"database_operation\"}") == 0);
}

TEST_CASE("two names are two names, wherever the border between them lies") {
  BoundedSeries<int> series(10);
  series.Find("ab", "c") = 1;
  series.Find("a", "bc") = 2;
  series.Find("", "abc") = 3;
  CHECK(series.Find("ab", "c") == 1);
  CHECK(series.Find("a", "bc") == 2);
  CHECK(series.Find("", "abc") == 3);
  CHECK(series.Size() == 3);
}

TEST_CASE("threads that begin with the same names get the same cells and lose no count") {
  constexpr int kThreads = 4;
  constexpr int kRounds = 2000;
  constexpr int kNames = 50;
  RequestTracker tracker({.max_series = 20});
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      go.wait(false);
      for (int i = 0; i < kRounds; ++i) {
        TrackedScope scope = tracker.TrackRequest("/" + std::to_string(i % kNames), "GET");
        if (i % 4 == 0) scope.SetError();
      }
    });
  }
  go.store(true);
  go.notify_all();
  for (int i = 0; i < 100; ++i) {
    const OperationTotals totals = tracker.Requests();  // while they work
    CHECK(totals.active <= kThreads);
  }
  for (std::thread& thread : threads) thread.join();
  const OperationTotals totals = tracker.Requests();
  CHECK(totals.duration.Count() == kThreads * kRounds);
  CHECK(totals.errors == kThreads * kRounds / 4);
  CHECK(totals.active == 0);
}

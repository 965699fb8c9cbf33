// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/metric_window.hpp"

#include <doctest/doctest.h>

#include <deque>

#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

Condition Quantile(double percentile) {
  Condition condition;
  condition.aggregation = Aggregation::kPercentile;
  condition.percentile = percentile;
  return condition;
}

Condition Of(Aggregation aggregation) {
  Condition condition;
  condition.aggregation = aggregation;
  return condition;
}

MetricPath Latency() { return {}; }

/// A second with a few latencies that differ from second to second.
Interval Second(const Scenario& scenario, std::int64_t second) {
  Interval interval = Interval::For(scenario);
  interval.second = second;
  for (int i = 0; i < 20; ++i) {
    test::Add(interval, 0, 0, std::chrono::microseconds(100 + second * 37 % 5000 + i * i * 41));
  }
  test::Add(interval, 1, 0, std::chrono::microseconds(77'777 + second));
  return interval;
}

}  // namespace

TEST_CASE("metric window: shows what the seconds in it show together") {
  const Scenario scenario = test::OpenAndClosed();
  for (const std::size_t length : {1U, 7U, 60U, 61U, 90U, 143U}) {
    CAPTURE(length);
    MetricWindow window(scenario, Latency(), length);
    std::deque<Interval> kept;
    int windows = 0;
    for (std::int64_t second = 0; second < 400; ++second) {
      kept.push_back(Second(scenario, second));
      if (kept.size() > length) kept.pop_front();
      if (!window.Add(kept.back())) continue;
      ++windows;
      REQUIRE(window.Begin() == kept.front().second);
      Interval all = Interval::For(scenario);
      for (const Interval& one : kept) all.Merge(one);
      const Measure seen = window.Seen();
      for (const Aggregation exact : {Aggregation::kMin, Aggregation::kMax, Aggregation::kCount}) {
        const auto expected = Observe(scenario, Latency(), Of(exact), all, 1s);
        const auto got = Aggregate(Latency(), Of(exact), seen, 1s);
        REQUIRE(got.samples == expected.samples);
        REQUIRE(*got.value == *expected.value);
      }
      for (const double percentile : {1.0, 50.0, 99.0}) {
        const auto expected = Observe(scenario, Latency(), Quantile(percentile), all, 1s);
        REQUIRE(*Aggregate(Latency(), Quantile(percentile), seen, 1s).value == *expected.value);
      }
      const auto mean = Observe(scenario, Latency(), Of(Aggregation::kAvg), all, 1s);
      REQUIRE(*Aggregate(Latency(), Of(Aggregation::kAvg), seen, 1s).value ==
              doctest::Approx(*mean.value).epsilon(0.0005));
    }
    // Up to a minute each second ends a window, beyond that a sixtieth of the window's length.
    const std::size_t step = (length + 59) / 60;
    CHECK(windows >= static_cast<int>((400 - length) / step));
    CHECK(windows <= static_cast<int>(401 - length));
  }
}

TEST_CASE("metric window: counters and errors") {
  const Scenario scenario = test::OpenAndClosed();
  MetricPath errors;
  errors.metric = Metric::kErrors;
  MetricPath dropped;
  dropped.metric = Metric::kDropped;
  MetricWindow failed(scenario, errors, 120);
  MetricWindow lost(scenario, dropped, 120);
  for (std::int64_t second = 0; second < 240; ++second) {
    Interval interval = Interval::For(scenario);
    interval.second = second;
    interval.loads[0].dropped = second >= 100 && second < 110 ? 1 : 0;
    test::Add(interval, 0, 0, 1ms, ErrorKind::kNone, 3);
    test::Add(interval, 0, 0, 1ms, ErrorKind::kStatus, 1);
    if (failed.Add(interval)) {
      CHECK(failed.Seen().samples == 480);
      CHECK(failed.Seen().count == 120);
    }
    lost.Add(interval);
    if (second == 199) CHECK(lost.Seen().count == 10);
  }
  CHECK(lost.Begin() == 120);
  CHECK(lost.Seen().count == 0);
}

TEST_CASE("metric window: an hour takes no more memory than a minute") {
  const Scenario scenario = test::OpenAndClosed();
  MetricWindow hour(scenario, Latency(), 3600);
  Interval interval = Interval::For(scenario);
  for (std::int64_t second = 0; second < 7200; ++second) {
    if (second % 60 < 2) interval = Second(scenario, second);
    interval.second = second;
    hour.Add(interval);
  }
  CHECK(hour.Seen().times.Count() == 3600 * 21);
  CHECK(hour.MemoryBytes() < 200'000);
}

TEST_CASE("metric window: what is left at the end fills a window from behind") {
  const Scenario scenario = test::OpenAndClosed();
  MetricWindow window(scenario, Latency(), 120);
  CHECK(window.TakeRest() == 0);
  for (std::int64_t second = 0; second < 241; ++second) window.Add(Second(scenario, second));
  CHECK(window.TakeRest() == 119);
  CHECK(window.Begin() == 122);
  CHECK(window.Seen().times.Count() == 119 * 21);
  CHECK(window.TakeRest() == 0);
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/assemble.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "libperf/base/random.hpp"
#include "libperf/load/observe.hpp"
#include "libperf/stats/hdr_codec.hpp"
#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

Observation Seen(const Scenario& scenario, const Interval& interval, const std::string& text) {
  const ThresholdSpec spec = ThresholdSpec::Parse(text);
  MetricPathError error;
  const auto path = ResolveMetric(scenario, spec.metric, error);
  REQUIRE_MESSAGE(path, error.message);
  return Observe(scenario, *path, spec.condition, interval, 10s);
}

}  // namespace

TEST_CASE("recorder: the three parts add up to the latency, whatever happened") {
  const TimePoint start{1h};
  RequestRecord record;
  RequestOutcome outcome;
  outcome.intended = start;
  outcome.began = start + 3ms;
  outcome.acquired = start + 10ms;
  outcome.timing = {start + 11ms, start + 15ms, start + 31ms};
  record.Add(outcome);
  CHECK(record.clocks.latency.Max() == 31'000);
  CHECK(record.clocks.wait.Max() == 7'000);
  CHECK(record.clocks.service_time.Max() == 20'000);
  CHECK(record.clocks.schedule_lag.Max() == 4'000);
  CHECK(record.first_byte.Max() == 4'000);
  CHECK(record.Failed() == 0);

  RequestRecord unsent;  // no connection came: it has a latency and a wait, and no service time
  outcome.timing = {};
  outcome.timing.done = start + 10ms;
  outcome.error = ErrorKind::kTimeout;
  outcome.count = 3;
  unsent.Add(outcome);
  CHECK(unsent.total == 3);
  CHECK(unsent.Failed() == 3);
  CHECK(unsent.clocks.latency.Count() == 3);
  CHECK(unsent.clocks.service_time.Count() == 0);
  CHECK(unsent.clocks.schedule_lag.Max() == 3'000);
  record.Merge(unsent);
  CHECK(record.total == 4);
  record.Reset();
  CHECK(record.total == 0);
  CHECK(record.clocks.latency.Count() == 0);
}

TEST_CASE("recorder: of a kind of failure one sample is kept for each load and step") {
  const Scenario scenario = test::OpenAndClosed();
  Interval a = Interval::For(scenario);
  Interval b = Interval::For(scenario);
  a.samples = {{0, 0, ErrorKind::kStatus, "first", 1}};
  b.samples = {{0, 0, ErrorKind::kStatus, "second", 2},
               {0, 1, ErrorKind::kStatus, "other step", 2},
               {0, 0, ErrorKind::kTimeout, "other kind", 2}};
  a.Merge(b);
  REQUIRE(a.samples.size() == 3);
  CHECK(a.samples[0].text == "first");
}

TEST_CASE("assemble: steps merge into flows and flows into the run without loss") {
  const Scenario scenario = test::OpenAndClosed();
  Interval totals = Interval::For(scenario);
  stats::Histogram all;
  Random random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto load = static_cast<std::size_t>(random.Int(0, 1));
    const auto step = load == 0 ? static_cast<std::size_t>(random.Int(0, 1)) : 0;
    const auto micros = static_cast<std::int64_t>(random.Exponential() * 20'000);
    test::Add(totals, load, step, std::chrono::microseconds(micros),
              i % 10 == 0 ? ErrorKind::kStatus : ErrorKind::kNone);
    all.Record(micros);
  }
  totals.loads[0].arrivals = totals.loads[0].intended = 990;
  totals.loads[0].dropped = 2;
  totals.loads[1].iterations = 77;
  totals.samples = {{1, 0, ErrorKind::kStatus, "HTTP status 500", 1.5}};
  Result result;
  AssembleSections(scenario, totals, SpanOf(scenario, 13s), result);

  CHECK(result.total.latency == stats::Summarize(all));
  CHECK(result.total.requests.total == 20'000);
  CHECK(result.total.requests.failed == 2'000);
  CHECK(result.total.requests.errors[static_cast<std::size_t>(ErrorKind::kStatus)] == 2'000);
  CHECK(result.total.requests.errors[0] == 0);
  CHECK(result.total.requests.dropped == 2);
  CHECK(result.target_rate == doctest::Approx(100));
  CHECK(result.achieved_rate == doctest::Approx(99));
  REQUIRE(result.flows.size() == 2);
  REQUIRE(result.loads.size() == 2);
  CHECK(result.flows[0].steps.size() == 2);
  CHECK(result.flows[0].requests.total + result.flows[1].requests.total == 20'000);
  CHECK(result.flows[0].latency == result.loads[0].latency);
  REQUIRE(result.samples.size() == 1);
  CHECK(result.samples[0].step == "c");
  CHECK(result.samples[0].load == "shut");

  stats::Histogram merged;
  for (const auto& [name, text] : result.histograms) {
    if (name == "call.a.latency" || name == "call.b.latency" || name == "other.c.latency") {
      merged.Merge(stats::Decode(text));
    }
  }
  CHECK(merged.Count() == 20'000);
  for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) {
    CHECK(merged.ValueAtQuantile(q) == all.ValueAtQuantile(q));
  }
}

TEST_CASE("assemble: the measured span leaves warm-up and drain out") {
  const Scenario scenario = test::OpenAndClosed();
  CHECK(SpanOf(scenario, 20s).from == 2s);
  CHECK(SpanOf(scenario, 20s).to == 12s);
  CHECK(SpanOf(scenario, 5s).Length() == 3s);  // interrupted
  CHECK(SpanOf(scenario, 1s).Length() == 0s);
  CHECK(PlannedArrivals(scenario, 0s, 1h) == doctest::Approx(1000));
  CHECK(PlannedArrivals(scenario, 0s, 2s) == 0);
  CHECK(PlannedArrivals(scenario, 3s, 4s) == doctest::Approx(100));
}

TEST_CASE("assemble: an open load that follows iterations has a target, too") {
  const Scenario scenario = test::Parsed(R"(
scenario: test
targets:
  web: {kind: http, url: "http://127.0.0.1:9"}
flows:
  call: [{name: a, http: {target: web, path: /a}}]
load:
  - {name: first, flow: call, iterations: 10}
  - {name: then, flow: call, rate: 100/s, for: 8s, after: first}
)");
  Interval totals = Interval::For(scenario);
  totals.loads[0].iterations = 10;
  totals.loads[1].intended = 800;
  totals.loads[1].arrivals = 800;
  Result result;
  AssembleSections(scenario, totals, SpanOf(scenario, 10s), result);
  CHECK(result.target_rate == doctest::Approx(80));
  CHECK(result.achieved_rate == doctest::Approx(80));
}

TEST_CASE("assemble: of Poisson arrivals those are asked for that were drawn") {
  const Scenario scenario = test::Parsed(R"(
scenario: test
targets:
  web: {kind: http, url: "http://127.0.0.1:9"}
flows:
  call: [{name: a, http: {target: web, path: /a}}]
load:
  - {name: drawn, flow: call, rate: 100/s, for: 6s, spacing: poisson, warmup: 2s}
  - {name: even, flow: call, rate: 10/s, for: 6s, warmup: 2s}
)");
  Interval totals = Interval::For(scenario);
  totals.loads[0].intended = 436;
  totals.loads[0].arrivals = 432;
  totals.loads[1].intended = 38;  // the generator stood still at the end
  totals.loads[1].arrivals = 38;
  Result result;
  AssembleSections(scenario, totals, SpanOf(scenario, 6s), result);
  CHECK(result.target_rate == doctest::Approx(119));
  CHECK(result.achieved_rate == doctest::Approx(117.5));
}

TEST_CASE("observe: each metric and aggregation") {
  const Scenario scenario = test::OpenAndClosed();
  Interval interval = Interval::For(scenario);
  for (const int ms : {10, 20, 30, 40}) {
    test::Add(interval, 0, 0, std::chrono::milliseconds(ms));
  }
  test::Add(interval, 0, 1, 100ms, ErrorKind::kStatus);
  test::Add(interval, 1, 0, 1ms, ErrorKind::kTimeout, 5);
  interval.loads[0].arrivals = 500;
  interval.loads[0].iterations = 490;
  interval.loads[0].dropped = 7;
  interval.loads[0].duration.Record(123'000);
  interval.loads[1].iterations = 10;
  struct Row {
    const char* text;
    double value;
    std::uint64_t samples;
  };
  const Row rows[] = {
      {"a.latency: avg < 1", 25, 4},        {"a.latency: min < 1", 10, 4},
      {"a.latency: max < 1", 40, 4},        {"a.latency: med < 1", 20, 4},
      {"a.latency: p(75) < 1", 30, 4},      {"a.latency: count > 1", 4, 4},
      {"call.latency: max < 1", 100, 5},    {"latency: count > 1", 10, 10},
      {"shut.service_time: max < 1", 1, 5}, {"wait: max < 1", 0, 10},
      {"schedule_lag: max < 1", 0, 10},     {"call.duration: max < 1", 123, 1},
      {"errors: rate < 1%", 0.6, 10},       {"errors: count < 1", 6, 10},
      {"b.errors: rate < 1%", 1, 1},        {"open.errors: rate < 1%", 0.2, 5},
      {"requests: count > 1", 10, 10},      {"requests: rate > 1", 1, 10},
      {"open.dropped: count < 1", 7, 7},    {"shut.dropped: count < 1", 0, 1},
      {"iterations: count > 1", 500, 500},  {"rate: value > 1", 50, 500},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Observation seen = Seen(scenario, interval, row.text);
    REQUIRE(seen.value);
    CHECK(*seen.value == doctest::Approx(row.value).epsilon(0.001));
    CHECK(seen.samples == row.samples);
  }
  CHECK(!Seen(scenario, interval, "first_byte: max < 1").value);
  CHECK(!Seen(scenario, Interval::For(scenario), "errors: rate < 1%").value);
}

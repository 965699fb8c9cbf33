// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/judge.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/load/measured.hpp"

using namespace perf;
using namespace perf::load;
using namespace std::chrono_literals;

namespace {

/// Feeds a judge second by second, as a run does.
struct Court {
  explicit Court(const std::string& thresholds)
      : scenario(test::OpenAndClosed(thresholds)), judge(scenario) {}
  Interval Empty() const { return Interval::For(scenario); }
  std::optional<std::string> Next(Interval interval) {
    interval.second = second++;
    totals.Merge(interval);
    return judge.OnSecond(interval, totals, std::chrono::seconds(second));
  }
  std::optional<std::string> Next(Duration latency, std::uint64_t count = 10) {
    Interval interval = Empty();
    test::Add(interval, 0, 0, latency, ErrorKind::kNone, count);
    return Next(std::move(interval));
  }
  std::vector<ThresholdResult> Results(Duration length = 10s) {
    return judge.Results(totals, length);
  }
  Scenario scenario;
  Judge judge;
  Interval totals = Interval::For(scenario);
  std::int64_t second = 0;
};

}  // namespace

TEST_CASE("judge: without windows the whole run counts") {
  Court court(
      "  - \"latency: p(99) < 50ms\"\n"
      "  - \"latency: max < 5ms\"\n"
      "  - \"shut.latency: p(99) < 50ms\"\n"
      "  - \"requests: count > 5\"\n");
  CHECK(!court.Next(10ms));
  const auto results = court.Results();
  REQUIRE(results.size() == 5);
  CHECK(results[0].ok);
  CHECK(*results[0].observed == doctest::Approx(10).epsilon(0.01));
  CHECK(results[0].limit == 50);
  CHECK(results[0].samples == 10);
  CHECK(results[0].unit == "ms");
  CHECK(!results[0].implicit);
  CHECK(!results[1].ok);
  // Nothing was measured there: that is no pass.
  CHECK(!results[2].ok);
  CHECK(!results[2].observed);
  CHECK(results[2].samples == 0);
  CHECK(results[3].ok);
  CHECK(!results[3].less_is_better);
  CHECK(results[4].implicit);
  CHECK(results[4].expr == "dropped: count == 0");
  CHECK(results[4].ok);
}

TEST_CASE("judge: drops fail an open load unless a threshold of its own allows them") {
  Court strict("");
  Interval dropped = strict.Empty();
  dropped.loads[0].dropped = 3;
  strict.Next(std::move(dropped));
  REQUIRE(strict.Results().size() == 1);
  CHECK(!strict.Results()[0].ok);
  CHECK(*strict.Results()[0].observed == 3);

  Court lenient("  - \"dropped: count < 10\"\n");
  dropped = lenient.Empty();
  dropped.loads[0].dropped = 3;
  lenient.Next(std::move(dropped));
  REQUIRE(lenient.Results().size() == 1);
  CHECK(lenient.Results()[0].ok);

  // One about a single load leaves the others under the implicit one.
  CHECK(Court("  - \"open.dropped: count < 10\"\n").Results().size() == 2);
}

TEST_CASE("judge: a window fails on its worst, even where the run as a whole holds") {
  Court court("  - {expr: \"latency: p(50) < 50ms\", window: 2s}\n");
  for (int i = 0; i < 4; ++i) court.Next(10ms, 1000);
  court.Next(80ms, 3000);
  for (int i = 0; i < 4; ++i) court.Next(10ms, 1000);
  const auto results = court.Results();
  CHECK(!results[0].ok);
  CHECK(*results[0].observed == doctest::Approx(80).epsilon(0.01));
  CHECK(*results[0].window_s == 2);
  // Those of the window that is shown, not of all windows that overlap.
  CHECK(results[0].samples == 4000);
}

TEST_CASE("judge: the samples of a window that holds are those of the one that is shown") {
  Court court("  - {expr: \"errors: rate < 50%\", window: 3s}\n");
  for (int i = 0; i < 20; ++i) {
    Interval interval = court.Empty();
    test::Add(interval, 0, 0, 1ms, ErrorKind::kNone, 100);
    if (i == 10) test::Add(interval, 0, 0, 1ms, ErrorKind::kStatus, 30);
    court.Next(std::move(interval));
  }
  const auto result = court.Results()[0];
  CHECK(result.ok);
  CHECK(*result.observed == doctest::Approx(30.0 / 330));
  CHECK(result.samples == 330);
}

TEST_CASE("judge: the last seconds of a run count for a long window, too") {
  // Windows of 10 minutes move on by 10 s: the last 5 s are in none of them.
  Court court(
      "  - {expr: \"latency: max < 50ms\", window: 10m}\n"
      "  - {expr: \"errors: count < 5\", window: 10m}\n"
      "  - {expr: \"latency: count > 5999\", window: 10m}\n");
  for (int i = 0; i < 700; ++i) court.Next(10ms);
  for (int i = 0; i < 5; ++i) court.Next(80ms);
  const auto results = court.Results(705s);
  CHECK(!results[0].ok);
  CHECK(*results[0].observed == doctest::Approx(80).epsilon(0.01));
  CHECK(results[1].ok);
  CHECK(results[2].ok);
  CHECK(*results[2].observed == 6000);
}

TEST_CASE("judge: a lower bound over as long as the run is measured is judged over all of it") {
  // 2 s of warm-up, then 10 s: the only window that lies within is from 2 to 12.
  Court court("  - {expr: \"rate: value >= 100\", window: 10s}\n");
  for (int second = 0; second < 14; ++second) {
    Interval interval = court.Empty();
    interval.loads[0].arrivals = second >= 2 && second < 12 ? 100 : 0;
    court.Next(std::move(interval));
  }
  CHECK(court.Results(10s)[0].ok);
  CHECK(court.Results(10s)[0].samples == 1000);
}

TEST_CASE("judge: a window that holds shows the worst, too") {
  Court court("  - {expr: \"latency: max < 50ms\", window: 1s}\n");
  for (const int ms : {10, 30, 20}) court.Next(std::chrono::milliseconds(ms));
  CHECK(court.Results()[0].ok);
  CHECK(*court.Results()[0].observed == doctest::Approx(30).epsilon(0.01));
}

TEST_CASE("judge: a run that is shorter than the window is one window") {
  Court slow("  - {expr: \"latency: max < 50ms\", window: 1m}\n");
  slow.Next(10ms);
  slow.Next(80ms);
  CHECK(!slow.Results(2s)[0].ok);
  Court empty("  - {expr: \"latency: max < 50ms\", window: 1m}\n");
  CHECK(!empty.Results(2s)[0].ok);
  CHECK(!empty.Results(2s)[0].observed);
  // By its real length: 250 in 2.5 s are 100/s, although three seconds were begun.
  Court rate("  - {expr: \"rate: value >= 100\", window: 1m}\n");
  for (const int count : {100, 100, 50}) {
    Interval interval = rate.Empty();
    interval.loads[0].arrivals = static_cast<std::uint64_t>(count);
    rate.Next(std::move(interval));
  }
  CHECK(rate.Results(2500ms)[0].ok);
}

TEST_CASE("judge: a lower bound of a window is not held against warm-up and drain") {
  const auto run = [](std::uint64_t in_the_middle) {
    Court court("  - {expr: \"rate: value > 90\", window: 2s}\n");
    for (int second = 0; second < 14; ++second) {
      Interval interval = court.Empty();
      const bool measured = second >= 2 && second < 12;
      interval.loads[0].arrivals = !measured ? 0 : second == 7 ? in_the_middle : 100;
      court.Next(std::move(interval));
    }
    return court.Results()[0];
  };
  CHECK(run(100).ok);
  CHECK(*run(100).observed == 100);
  CHECK(!run(20).ok);
  CHECK(*run(20).observed == 60);
}

TEST_CASE("judge: abort ends a run for what time cannot mend, and for nothing else") {
  Court late("  - {expr: \"latency: max < 50ms\", abort: true}\n");
  CHECK(!late.Next(10ms));
  CHECK(late.Next(80ms) == "latency: max < 50ms");
  CHECK(late.Results()[0].aborted);
  CHECK(!late.Results()[0].ok);

  Court floor("  - {expr: \"requests: count > 1000\", abort: true}\n");
  CHECK(!floor.Next(10ms));
  CHECK(!floor.Results()[0].ok);
  CHECK(!floor.Results()[0].aborted);

  Court drops("  - {expr: \"dropped: count == 0\", abort: true}\n");
  CHECK(!drops.Next(10ms));
  Interval dropped = drops.Empty();
  dropped.loads[0].dropped = 1;
  CHECK(drops.Next(std::move(dropped)) == "dropped: count == 0");

  Court window("  - {expr: \"errors: rate < 10%\", window: 2s, abort: true}\n");
  Interval failed = window.Empty();
  test::Add(failed, 0, 0, 1ms, ErrorKind::kStatus);
  CHECK(!window.Next(std::move(failed)));  // no whole window yet
  CHECK(window.Next(1ms, 1) == "errors: rate < 10%");
}

TEST_CASE("judge: what fails an equality most is what is shown") {
  Court court("  - {expr: \"dropped: count == 0\", window: 1s}\n");
  for (const int count : {0, 5, 3}) {
    Interval interval = court.Empty();
    interval.loads[0].dropped = static_cast<std::uint64_t>(count);
    court.Next(std::move(interval));
  }
  CHECK(!court.Results()[0].ok);
  CHECK(*court.Results()[0].observed == 5);
}

TEST_CASE("judge: the reasons why a run says nothing about its target") {
  struct Row {
    const char* codes;
    std::uint64_t intended, arrivals;
    double lag, latency, cpu, stalled_ms, duration_s;
  };
  const Row rows[] = {
      {"", 1000, 1000, 0, 1, 0, 0, 10},
      {"", 1000, 990, 5, 1, 90, 200, 10},  // all on the border
      {"rate_missed ", 1000, 989, 0, 1, 0, 0, 10},
      {"", 0, 0, 0, 0, 0, 0, 0},
      {"lag ", 1000, 1000, 5.1, 50, 0, 0, 10},
      {"", 1000, 1000, 9, 90.5, 0, 0, 10},
      {"lag ", 1000, 1000, 9.1, 90, 0, 0, 10},
      {"cpu ", 1000, 1000, 0, 1, 90.1, 0, 10},
      {"stalled ", 1000, 1000, 0, 1, 0, 201, 10},
      {"rate_missed lag cpu stalled ", 1000, 1, 1000, 1000, 100, 5000, 10},
  };
  for (const Row& row : rows) {
    Result result;
    result.total.schedule_lag.p99 = row.lag;
    result.total.latency.p99 = row.latency;
    result.generator.cpu_percent = row.cpu;
    result.generator.stalled_ms = row.stalled_ms;
    result.duration_s = row.duration_s;
    std::string codes;
    for (const auto& [code, text] : InvalidReasons(result, row.intended, row.arrivals)) {
      codes += code + " ";
      CHECK(!text.empty());
    }
    CHECK(codes == row.codes);
  }
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/alert_watch.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/monitor/alerts/series_feed.hpp"

namespace perf::monitor::alerts {
namespace {

using namespace std::chrono_literals;
using test::At;
using test::SeriesFeed;

RuleSet Rule() {
  return ParseRulesText("r",
                        "rules:\n  - {name: PerfkitA, expr: a, warning: \"> 1\", annotations: "
                        "{summary: it burns}}\n");
}

TEST_CASE("alerts: a watch judges once an interval however often it is fed, and tells") {
  Receiver log;
  log.name = "log";
  auto notifier = std::make_unique<Notifier>(std::vector{log}, NotifierOptions{});
  AlertWatch watch(Rule(), {.interval = 10s}, std::move(notifier));
  SeriesFeed feed;
  feed.Gauge("a", {}, 2);
  std::size_t changes = 0;
  for (int second = 0; second < 25; ++second) {
    changes += watch.Sample(feed.Snapshot(), At(second)).size();
  }
  CHECK(changes == 1);
  CHECK(watch.EvaluatedAt() == At(18));  // 0, 9, 18: a tenth early
  const auto active = watch.ActiveAlerts();
  REQUIRE(active.size() == 1);
  CHECK(active[0].summary == "it burns");
  CHECK(watch.Tells()->Drain(Deadline::After(Clock::now(), 20s)));
  CHECK(watch.Tells()->Counts()[0].sent == 1);

  const std::string id = watch.AddSilence(
      {"", {ParseMatcher("alertname=PerfkitA")}, "ann", "known", {}, At(900)}, At(25));
  watch.Sample(feed.Snapshot(), At(30));
  CHECK(watch.ActiveAlerts().empty());
  const Json document = watch.Document();
  CHECK(*document.Find("worst") == Json("ok"));
  CHECK(*document.AtPointer("/alerts/0/silenced_by") == Json(id));
  CHECK(*document.AtPointer("/silences/0/author") == Json("ann"));
  CHECK(watch.ExpireSilence(id, At(31)));
}

TEST_CASE("alerts: a watch goes on when the clock is set back, with its alerts") {
  AlertWatch watch(ParseRulesText("r",
                                  "rules:\n  - {name: PerfkitA, expr: a, warning: \"> 1\", for: "
                                  "30s}\n"),
                   {.interval = 10s});
  SeriesFeed bad, good;
  bad.Gauge("a", {}, 2);
  good.Gauge("a", {}, 0);
  for (int second = 0; second <= 40; second += 10) watch.Sample(bad.Snapshot(), At(second));
  REQUIRE(watch.ActiveAlerts().size() == 1);
  const auto silence = watch.AddSilence(
      {"", {ParseMatcher("alertname=PerfkitB")}, "ann", "known", {}, At(7 * 86400)}, At(45));
  // An hour back: it neither sleeps for an hour nor forgets, nor holds the alert for new.
  CHECK(watch.Sample(bad.Snapshot(), At(-3600)).empty());
  CHECK(watch.EvaluatedAt() == At(-3600));
  REQUIRE(watch.ActiveAlerts().size() == 1);
  CHECK(watch.Alerts()[0].fired_at == At(-3610));
  CHECK(watch.Sample(good.Snapshot(), At(-3590)).size() == 1);
  CHECK(watch.ActiveAlerts().empty());
  CHECK(watch.ExpireSilence(silence, At(-3580)));
  // What is pending goes on from where it was.
  for (int second = -3570; second <= -3550; second += 10) watch.Sample(bad.Snapshot(), At(second));
  watch.Sample(bad.Snapshot(), At(-7200));
  CHECK(watch.ActiveAlerts().empty());
  watch.Sample(bad.Snapshot(), At(-7190));
  CHECK(watch.ActiveAlerts().size() == 1);
}

TEST_CASE("alerts: a watch is fed, asked and scraped from many threads") {
  AlertWatch watch(Rule(), {.interval = 100ms});
  metrics::Registry registry;
  const auto registration = registry.Collect(
      "alerts", [&](metrics::Collection& collection) { watch.AddMetrics(collection); });
  SeriesFeed good, bad;
  good.Gauge("a", {}, 0);
  bad.Gauge("a", {}, 2);
  std::thread feeder([&] {
    for (int i = 0; i < 500; ++i) {
      watch.Sample((i % 2 == 0 ? bad : good).Snapshot(), At(0.1 * i));
    }
  });
  std::size_t errors = 0;
  for (int i = 0; i < 100; ++i) {
    errors += registry.Gather().errors.size();
    errors += watch.Document().IsObject() ? 0 : 1;
  }
  feeder.join();
  CHECK(errors == 0);
  CHECK(watch.Alerts().size() == 1);
  CHECK(watch.Alerts()[0].state == AlertState::kResolved);
}

}  // namespace
}  // namespace perf::monitor::alerts

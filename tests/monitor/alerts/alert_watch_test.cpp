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

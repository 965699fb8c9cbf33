// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/engine.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/monitor/alerts/backtest.hpp"
#include "tests/monitor/alerts/series_feed.hpp"

namespace perf::monitor::alerts {
namespace {

using namespace std::chrono_literals;
using test::At;
using test::SeriesFeed;

RuleSet Rules(const std::string& rules, const std::string& rest = "") {
  return ParseRulesText("test", "rules:\n" + rules + rest);
}

/// One series `a{x=…}`, sampled and judged every 10 s.
struct Bench {
  explicit Bench(const std::string& rule, const std::string& rest = "")
      : engine(Rules("  - {name: PerfkitA, expr: a, " + rule + "}\n", rest), {.interval = 10s}) {}

  std::vector<Transition> Tick(double seconds, double value) {
    SeriesFeed feed;
    feed.Gauge("a", {{"x", "1"}}, value);
    engine.Observe(At(seconds), feed.Snapshot());
    return engine.Evaluate(At(seconds));
  }
  std::vector<Transition> Silent(double seconds) { return engine.Evaluate(At(seconds)); }
  /// The alert of that name; one that is inactive when there is none.
  Alert Of(const std::string& name = "PerfkitA") const {
    for (const Alert& alert : engine.Alerts()) {
      if (alert.name == name) return alert;
    }
    Alert none;
    none.state = AlertState::kInactive;
    return none;
  }
  AlertState State() const { return Of().state; }
  Engine engine;
};

TEST_CASE("alerts: `for` is reached with >=, and one good evaluation drops a pending alert") {
  Bench bench("warning: \"> 1\", for: 20s");
  CHECK(bench.Tick(0, 0).empty());
  const auto pending = bench.Tick(10, 2);
  REQUIRE(pending.size() == 1);
  CHECK(pending[0].to == AlertState::kPending);
  CHECK(pending[0].to_level == Level::kWarning);
  bench.Tick(20, 0.5);
  CHECK(bench.State() == AlertState::kInactive);
  bench.Tick(30, 2);
  bench.Tick(40, 2);
  CHECK(bench.State() == AlertState::kPending);
  CHECK(bench.engine.Worst() == Level::kOk);
  bench.Tick(50, 2);
  CHECK(bench.State() == AlertState::kFiring);
  CHECK(bench.Of().active_at == At(30));
  CHECK(bench.Of().fired_at == At(50));
  CHECK(bench.engine.Worst() == Level::kWarning);
}

TEST_CASE("alerts: without `for` an alert fires at once") {
  Bench bench("warning: \"> 1\"");
  const auto fired = bench.Tick(0, 2);
  REQUIRE(fired.size() == 1);
  CHECK(fired[0].from == AlertState::kInactive);
  CHECK(fired[0].to == AlertState::kFiring);
}

TEST_CASE("alerts: the clear threshold counts only while firing, and stops a flap") {
  const std::vector<double> flap{0.95, 0.88, 0.95, 0.88, 0.95, 0.88, 0.95, 0.88};
  const auto fired = [&](const std::string& clear) {
    Bench bench("warning: {enter: \"> 0.9\", clear: " + clear + "}");
    bench.Tick(0, 0.85);  // within the band, but nothing fires
    CHECK(bench.State() == AlertState::kInactive);
    int count = 0;
    for (std::size_t i = 0; i < flap.size(); ++i) {
      for (const Transition& change : bench.Tick(10.0 + 10.0 * static_cast<double>(i), flap[i])) {
        if (change.to == AlertState::kFiring) ++count;
      }
    }
    bench.Tick(100, 0.79);
    CHECK(bench.State() == AlertState::kResolved);
    return count;
  };
  CHECK(fired("0.8") == 1);
  CHECK(fired("0.9") == 4);
}

TEST_CASE("alerts: keep_firing_for counts from the first good evaluation, anew after a bad one") {
  Bench bench("warning: {enter: \"> 1\", clear: 1}, keep_firing_for: 20s");
  bench.Tick(0, 2);
  bench.Tick(10, 0);
  bench.Tick(20, 2);
  bench.Tick(30, 0);
  bench.Tick(40, 0);
  CHECK(bench.State() == AlertState::kFiring);
  bench.Tick(50, 0);
  CHECK(bench.State() == AlertState::kResolved);
  CHECK(bench.Of().resolved_at == At(50));
}

TEST_CASE("alerts: a level is raised at once after its own `for`, and lowered by its clear rule") {
  Bench bench("warning: {enter: \"> 1\", for: 30s}, critical: {enter: \"> 10\", for: 10s}");
  bench.Tick(0, 20);
  bench.Tick(10, 20);
  CHECK(bench.Of().level == Level::kCritical);  // not before the warning's 30 s
  bench.Tick(20, 9.5);                          // within the band of critical
  CHECK(bench.Of().level == Level::kCritical);
  const auto lowered = bench.Tick(30, 5);
  REQUIRE(lowered.size() == 1);
  CHECK(lowered[0].from_level == Level::kCritical);
  CHECK(lowered[0].to_level == Level::kWarning);
  CHECK(lowered[0].to == AlertState::kFiring);
  bench.Tick(40, 11);
  CHECK(bench.Of().level == Level::kWarning);
  bench.Tick(50, 11);
  CHECK(bench.Of().level == Level::kCritical);
  const auto ended = bench.Tick(60, 0);
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].to == AlertState::kResolved);
  CHECK(bench.Of().level == Level::kCritical);  // the last one is remembered
}

TEST_CASE("alerts: what is not known neither fires nor resolves, and is told after 3 intervals") {
  Bench bench("warning: \"> 1\", for: 30s");
  bench.Tick(0, 2);
  bench.Silent(10);  // the sample of 0 s still counts for an interval and a half
  bench.Silent(20);
  bench.Silent(30);
  CHECK(bench.State() == AlertState::kPending);
  CHECK(bench.Of().unknown);
  CHECK(bench.Of("PerfkitDataStale").state == AlertState::kInactive);
  const auto stale = bench.Silent(40);
  REQUIRE(stale.size() == 1);
  CHECK(stale[0].name == "PerfkitDataStale");
  CHECK(stale[0].labels == Labels{{"rule", "PerfkitA"}});
  CHECK(stale[0].to_level == Level::kWarning);
  // Bad for 10 s before and for 10 s now.
  bench.Tick(50, 2);
  CHECK(bench.State() == AlertState::kPending);
  CHECK(bench.Of("PerfkitDataStale").state == AlertState::kResolved);
  bench.Tick(60, 2);
  CHECK(bench.State() == AlertState::kFiring);
  for (int i = 7; i < 100; ++i) bench.Silent(10 * i);
  CHECK(bench.State() == AlertState::kFiring);
  bench.Tick(1000, 0);
  CHECK(bench.State() == AlertState::kResolved);
}

TEST_CASE("alerts: a value that is no number is not known") {
  Bench bench("warning: \"> 1\"");
  bench.Tick(0, 2);
  bench.Tick(10, std::numeric_limits<double>::quiet_NaN());
  CHECK(bench.State() == AlertState::kFiring);
  CHECK(bench.Of().unknown);
  CHECK(bench.Of().value == 2);
}

TEST_CASE("alerts: missing data is bad or good where the rule says so") {
  Bench bad("warning: \"> 1\", missing: bad");
  bad.Tick(0, 0);
  bad.Silent(20);
  CHECK(bad.State() == AlertState::kFiring);
  Bench good("warning: \"> 1\", missing: ok");
  good.Tick(0, 2);
  good.Silent(20);
  CHECK(good.State() == AlertState::kResolved);
}

TEST_CASE("alerts: a condition that does not hold makes all well, known value or not") {
  Engine engine(Rules("  - {name: PerfkitA, expr: a / b, where: b > 10, warning: \"> 0.5\"}\n"),
                {.interval = 10s});
  const auto tick = [&](double seconds, double a, double b) {
    SeriesFeed feed;
    feed.Gauge("a", {}, a).Gauge("b", {}, b);
    engine.Observe(At(seconds), feed.Snapshot());
    engine.Evaluate(At(seconds));
    return engine.Alerts().empty() ? AlertState::kInactive : engine.Alerts()[0].state;
  };
  CHECK(tick(0, 9, 10) == AlertState::kInactive);
  CHECK(tick(10, 9, 11) == AlertState::kFiring);
  CHECK(tick(20, 0, 0) == AlertState::kResolved);  // 0 / 0, but nobody asks
  CHECK(engine.Alerts().size() == 1);              // and it is not stale
}

TEST_CASE("alerts: a resolved one is shown for 15 min") {
  Bench bench("warning: \"> 1\"");
  bench.Tick(0, 2);
  bench.Tick(10, 0);
  bench.Tick(910, 0);
  CHECK(bench.State() == AlertState::kResolved);
  bench.Tick(920, 0);
  CHECK(bench.State() == AlertState::kInactive);
}

TEST_CASE("alerts: state outlives a restart, and the time between does not count") {
  const std::string rule = "warning: {enter: \"> 1\", clear: 1}, for: 20s, keep_firing_for: 30s";
  Json pending, firing;
  {
    Bench before(rule);
    before.Tick(0, 2);
    before.Tick(10, 2);
    pending = Json::Parse(before.engine.Save(At(10)).Dump());
    before.Tick(20, 2);
    before.Tick(30, 0);
    firing = Json::Parse(before.engine.Save(At(40)).Dump());
  }
  Bench one(rule);
  one.engine.Restore(pending, At(1000));
  CHECK(one.State() == AlertState::kPending);
  one.Tick(1005, 2);
  CHECK(one.State() == AlertState::kPending);  // 10 s before and 5 s now
  one.Tick(1010, 2);
  CHECK(one.State() == AlertState::kFiring);

  Bench two(rule);
  two.engine.Restore(firing, At(1000));
  CHECK(two.State() == AlertState::kFiring);
  CHECK(two.engine.Worst() == Level::kWarning);
  two.Tick(1010, 0);  // good for 10 s before the end and 10 s now
  CHECK(two.State() == AlertState::kFiring);
  two.Tick(1020, 0);
  CHECK(two.State() == AlertState::kResolved);

  Bench three(rule);
  Json damaged = firing;
  damaged["alerts"].AsArray()[0]["state"] = "burning";
  CHECK_THROWS_WITH_AS(three.engine.Restore(damaged, At(1000)), doctest::Contains("'state'"),
                       ConfigError);
  CHECK(three.engine.Alerts().empty());
}

TEST_CASE(
    "alerts: at a reload a longer `for` makes a firing alert pending; a rule that goes ends") {
  Bench bench("warning: \"> 1\", for: 10s");
  bench.Tick(0, 2);
  bench.Tick(10, 2);
  CHECK(bench.State() == AlertState::kFiring);
  bench.engine.Reload(Rules("  - {name: PerfkitA, expr: a, warning: \"> 1\", for: 1m}\n"));
  bench.Tick(20, 2);
  CHECK(bench.State() == AlertState::kPending);
  bench.Tick(60, 2);
  CHECK(bench.State() == AlertState::kFiring);  // since 0 s
  bench.engine.Reload(Rules("  - {name: PerfkitB, expr: a, warning: \"> 1\"}\n"));
  const auto changes = bench.Tick(70, 2);
  REQUIRE(changes.size() == 2);
  CHECK(bench.State() == AlertState::kResolved);
  CHECK(bench.Of("PerfkitB").state == AlertState::kFiring);
}

TEST_CASE("alerts: a silence hides, and ends; it needs matcher, author, reason and a near end") {
  Bench bench("warning: \"> 1\"");
  Silences& quiet = bench.engine.Quiet();
  const Silence good{"", {{"x", "1", true}}, "ann", "maintenance", {}, At(100)};
  const std::string id = quiet.Add(good, At(0));
  const auto fired = bench.Tick(10, 2);
  REQUIRE(fired.size() == 1);
  CHECK(fired[0].hidden);
  CHECK(bench.Of().silenced_by == id);
  CHECK(bench.engine.Worst() == Level::kOk);
  bench.Tick(100, 2);
  CHECK(!bench.Of().Hidden());
  CHECK(bench.engine.Worst() == Level::kWarning);

  const auto refused = [&](auto change) {
    Silence bad = good;
    bad.ends_at = At(1000);
    change(bad);
    CHECK_THROWS_AS(quiet.Add(bad, At(100)), ConfigError);
  };
  refused([](Silence& s) { s.matchers.clear(); });
  refused([](Silence& s) { s.matchers = {{"x", "", true}}; });
  refused([](Silence& s) { s.author = " "; });
  refused([](Silence& s) { s.reason = ""; });
  refused([](Silence& s) { s.ends_at = At(100); });
  refused([](Silence& s) { s.ends_at = At(100) + std::chrono::hours(24 * 7) + 1s; });

  Silence severe = good;
  severe.matchers = {ParseMatcher("severity=warning"), ParseMatcher("alertname!=\"PerfkitB\"")};
  severe.ends_at = At(1000);
  const std::string other = quiet.Add(severe, At(100));
  const Json saved = bench.engine.Save(At(110));
  Bench restored("warning: \"> 1\"");
  restored.engine.Restore(saved, At(120));
  restored.Tick(130, 2);
  CHECK(restored.Of().silenced_by == other);
  CHECK(restored.engine.Quiet().Expire(other, At(130)));
  CHECK(!restored.engine.Quiet().Expire(other, At(130)));
  restored.Tick(140, 2);
  CHECK(!restored.Of().Hidden());
}

TEST_CASE("alerts: an inhibition hides alerts of the same subject only, and none hides itself") {
  Engine engine(Rules("  - {name: PerfkitA, expr: a, critical: \"> 1\"}\n"
                      "  - {name: PerfkitB, expr: b, warning: \"> 1\"}\n",
                      "inhibit:\n  - {source: {severity: critical}, target: {severity: warning}, "
                      "equal: [x]}\n  - {source: {alertname: PerfkitA}, target: {alertname: "
                      "PerfkitA}, equal: [x]}\n"),
                {.interval = 10s});
  SeriesFeed feed;
  feed.Gauge("a", {{"x", "1"}}, 2).Gauge("b", {{"x", "1"}}, 2).Gauge("b", {{"x", "2"}}, 2);
  feed.Gauge("b", {}, 2);
  engine.Observe(At(0), feed.Snapshot());
  engine.Evaluate(At(0));
  std::vector<std::string> hidden;
  for (const Alert& alert : engine.Alerts()) {
    if (alert.Hidden()) hidden.push_back(Identity(alert) + " by " + alert.inhibited_by);
  }
  CHECK(hidden == std::vector<std::string>{"PerfkitB{x=\"1\"} by PerfkitA"});
  CHECK(engine.Worst() == Level::kCritical);
  engine.Retire({{"x", "1", true}});
  engine.Evaluate(At(5));
  CHECK(engine.Worst() == Level::kWarning);
  CHECK(engine.Alerts().size() == 4);  // two resolved
}

TEST_CASE("alerts: memory is bounded, and what finds no room is counted") {
  Engine engine(Rules("  - {name: PerfkitA, expr: \"max_over_time(a[1h])\", warning: \"> 1\"}\n"),
                {.interval = 10s, .max_series = 100, .max_bytes = 60'000, .max_alerts = 50});
  for (int i = 0; i < 200; ++i) {
    SeriesFeed feed;
    for (int series = 0; series < 150; ++series) {
      feed.Gauge("a", {{"x", std::to_string(series)}}, 2);
    }
    feed.Gauge("b", {}, 2);
    engine.Observe(At(10 * i), feed.Snapshot());
    engine.Evaluate(At(10 * i));
  }
  const EngineCounts counts = engine.Counts();
  CHECK(counts.series == 100);
  CHECK(counts.bytes <= 60'000);
  CHECK(counts.refused_series >= 200 * 50);
  CHECK(counts.refused_alerts >= 200 * 50);
  CHECK(engine.Alerts().size() == 50);
}

TEST_CASE("alerts: samples that come often are thinned, the newest stays exact") {
  Engine engine(Rules("  - {name: PerfkitA, expr: \"increase(a[1m])\", warning: \"> 0\"}\n"),
                {.interval = 10s});
  for (int i = 0; i <= 600; ++i) {
    SeriesFeed feed;
    feed.Counter("a", {}, i);
    engine.Observe(At(0.1 * i), feed.Snapshot());
  }
  CHECK(engine.Counts().bytes < 1000);
  engine.Evaluate(At(60));
  REQUIRE(engine.Alerts().size() == 1);
  CHECK(*engine.Alerts()[0].value == doctest::Approx(600));
}

TEST_CASE("alerts: the default rules name each fault within 15 s") {
  Engine engine(DefaultRules({}));
  // Sampled and judged every 5 s; the fault begins right after a sample.
  const auto run = [&](double from, double until, auto fill) {
    for (double t = from; t <= until; t += 5) {
      SeriesFeed feed;
      fill(feed, t);
      engine.Observe(At(t), feed.Snapshot());
      engine.Evaluate(At(t));
    }
  };
  const auto fill = [](bool bad) {
    return [bad](SeriesFeed& feed, double t) {
      const Labels pool{{"pool", "db"}, {"backend", "postgresql"}};
      const auto with = [](Labels labels, const char* name, const char* value) {
        labels.emplace_back(name, value);
        return labels;
      };
      const double sick = bad ? t - 100 : 0;  // seconds of it
      feed.Gauge("perfkit_target_up", {{"target", "db"}, {"kind", "postgres"}}, bad ? 0 : 1)
          .Gauge("perfkit_pool_connections", with(pool, "state", "used"), bad ? 20 : 5)
          .Gauge("perfkit_pool_connections", with(pool, "state", "idle"), bad ? 0 : 15)
          .Gauge("perfkit_pool_connections_max", pool, 20)
          .Gauge("perfkit_pool_pending_requests", pool, bad ? 7 : 0)
          .Gauge("process_resident_memory_bytes", {}, bad ? 600e6 : 100e6)
          .Gauge("perfkit_system_filesystem_size_bytes", {{"mount", "/"}}, 100)
          .Gauge("perfkit_system_filesystem_available_bytes", {{"mount", "/"}}, bad ? 1 : 50)
          .Counter("perfkit_history_write_failures_total", {}, bad ? sick : 0);
      const Labels l1{{"cache", "tts"}, {"tier", "l1"}};
      feed.Counter("perfkit_cache_requests_total", with(l1, "result", "hit"), bad ? 1e5 : 1000 * t)
          .Counter("perfkit_cache_requests_total", with(l1, "result", "miss"), 10 * t + 1000 * sick)
          .Counter("perfkit_audio_frames_total", {{"direction", "out"}}, 5000 * t)
          .Counter("perfkit_audio_underrun_frames_total", {}, 500 * sick);
    };
  };
  run(0, 100, fill(false));
  for (const Alert& alert : engine.Alerts()) FAIL(Identity(alert), " ", alert.measured);
  run(105, 115, fill(true));
  std::string fired;
  for (const Alert& alert : engine.Alerts()) {
    if (alert.state == AlertState::kFiring) fired += alert.name + " ";
  }
  CAPTURE(fired);
  for (const char* name : {"PerfkitTargetDown", "PerfkitPoolSaturated", "PerfkitCacheHitRatioLow",
                           "PerfkitAudioUnderruns", "PerfkitMemoryHigh", "PerfkitDiskFull",
                           "PerfkitHistoryWriteFailing"}) {
    CAPTURE(name);
    CHECK(fired.find(name) != std::string::npos);
  }
}

/// A gauge that is bad from 100 s to 200 s, with a hole in it.
class Story : public SampleSource {
 public:
  std::optional<Moment> Next() override {
    if (at_ > 400) return std::nullopt;
    SeriesFeed feed;
    feed.Gauge("a", {}, at_ >= 100 && at_ <= 200 ? 2 : 0);
    Moment moment{At(at_), feed.Snapshot()};
    at_ += at_ == 250 ? 60 : 10;
    return moment;
  }

 private:
  double at_ = 0;
};

TEST_CASE("alerts: a back-test tells what the rules would have said") {
  Story story;
  const BacktestResult result =
      Backtest(Rules("  - {name: PerfkitA, expr: a, warning: \"> 1\", for: 30s}\n"), story,
               {.engine = {.interval = 10s}});
  std::string told;
  for (const Transition& change : result.transitions) {
    told +=
        fmt::format("{} {}={}\n", (change.at - At(0)).count() / 1000, change.name, Name(change.to));
  }
  CHECK(told ==
        "100 PerfkitA=pending\n130 PerfkitA=firing\n210 PerfkitA=resolved\n"
        "290 PerfkitDataStale=firing\n310 PerfkitDataStale=resolved\n");
  CHECK(result.from == At(0));
  CHECK(result.until == At(400));
  CHECK(result.at_end.empty());
  CHECK(*ToJson(result).AtPointer("/transitions/1/to") == Json("firing"));
}

TEST_CASE("alerts: the metrics that rules look at are named, those of conditions too") {
  const RuleSet rules = Rules(
      "  - {name: PerfkitA, expr: \"sum (rate(a[1m])) / b\", where: c > 1, warning: {enter: \"> "
      "1\", "
      "where: d < 2}}\n");
  CHECK(MetricNames(rules) == std::set<std::string>{"a", "b", "c", "d"});
}

}  // namespace
}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
// agreement_dump SEED GROUPS DIRECTORY: random gap-free series and rules of one level, run through
// our engine; writes rules.yml and tests.yml for `promtool test rules`, which then has to see the
// same alerts pending and firing at every step. agreement_dump default: the default rules exported.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/monitor/alerts/engine.hpp"
#include "libperf/monitor/alerts/prometheus_rules.hpp"
#include "tests/monitor/alerts/series_feed.hpp"

namespace {

using namespace perf;
using namespace perf::monitor::alerts;

constexpr int kSteps = 60;
constexpr int kStep = 10;  // seconds

/// A series as Prometheus has it: one value for each step.
struct Series {
  std::string text;  // name{labels}
  std::vector<double> values;
};

/// The metrics of one group and what promtool is to be fed with.
struct World {
  std::vector<test::SeriesFeed> feeds = std::vector<test::SeriesFeed>(kSteps);
  std::vector<Series> series;
};

std::size_t At(int step) { return static_cast<std::size_t>(step); }

void AddGauge(World& world, Random& random, const std::string& name, const Labels& labels) {
  Series series{name + ToText(labels), {}};
  auto value = static_cast<double>(random.Int(0, 100));
  for (int i = 0; i < kSteps; ++i) {
    // Mostly still, sometimes a jump: states need time to be reached and left.
    if (random.Unit() < 0.3) value = std::clamp(value + 30 * random.Normal(), 0.0, 100.0);
    value = std::round(value);
    series.values.push_back(value);
    world.feeds[At(i)].Gauge(name, labels, value);
  }
  world.series.push_back(std::move(series));
}

void AddCounter(World& world, Random& random, const std::string& name, const Labels& labels) {
  Series series{name + ToText(labels), {}};
  auto value = static_cast<double>(random.Int(100'000, 200'000));
  auto pace = static_cast<double>(random.Int(0, 1000));
  for (int i = 0; i < kSteps; ++i) {
    if (random.Unit() < 0.15) pace = static_cast<double>(random.Int(0, 1000));
    value += std::round(pace * random.Unit());
    if (random.Unit() < 0.02) value = static_cast<double>(random.Int(0, 50));  // a restart
    series.values.push_back(value);
    world.feeds[At(i)].Counter(name, labels, value);
  }
  world.series.push_back(std::move(series));
}

void AddHistogram(World& world, Random& random, const std::string& name, const Labels& labels) {
  constexpr metrics::Buckets kBuckets{-3, 0, 2};  // 1 ms to 100 ms: 21 bounds
  metrics::HistogramSnapshot histogram;
  histogram.buckets = kBuckets;
  histogram.counts.assign(kBuckets.Bounds() + 1, 1000);
  std::vector<Series> buckets;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    Labels all = labels;
    all.emplace_back("le", i < kBuckets.Bounds() ? fmt::format("{}", kBuckets.Bound(i)) : "+Inf");
    buckets.push_back({name + "_bucket" + ToText(all), {}});
  }
  Series counts{name + "_count" + ToText(labels), {}};
  double centre = 10;
  for (int i = 0; i < kSteps; ++i) {
    if (random.Unit() < 0.2) centre = 20 * random.Unit();
    const std::int64_t count = random.Int(1, 50);
    for (std::int64_t k = 0; k < count; ++k) {
      const auto bucket = static_cast<std::int64_t>(std::round(centre + 2 * random.Normal()));
      ++histogram.counts[static_cast<std::size_t>(std::clamp<std::int64_t>(
          bucket, 0, static_cast<std::int64_t>(histogram.counts.size()) - 1))];
    }
    world.feeds[At(i)].Histogram(name, labels, histogram);
    double sum = 0;
    for (std::size_t b = 0; b < buckets.size(); ++b) {
      sum += static_cast<double>(histogram.counts[b]);
      buckets[b].values.push_back(sum);
    }
    counts.values.push_back(sum);
  }
  world.series.push_back(std::move(counts));
  std::move(buckets.begin(), buckets.end(), std::back_inserter(world.series));
}

World MakeWorld(Random& random) {
  World world;
  for (const char* pool : {"one", "two", "three"}) {
    for (const char* state : {"idle", "used"}) {
      AddGauge(world, random, "t_gauge", {{"pool", pool}, {"state", state}});
    }
    AddGauge(world, random, "t_max", {{"pool", pool}});
    AddCounter(world, random, "t_hits_total", {{"pool", pool}});
    AddCounter(world, random, "t_misses_total", {{"pool", pool}});
  }
  AddHistogram(world, random, "t_wait_seconds", {{"pool", "one"}});
  AddHistogram(world, random, "t_wait_seconds", {{"pool", "two"}});
  return world;
}

/// Every kind of expression, with a threshold in the middle of what it gives. Thresholds are odd
/// fractions: a value that equals one would hang on the last bit of a sum.
std::string MakeRules(Random& random) {
  struct Shape {
    const char* expression;
    double low, high;
    const char* where;
  };
  constexpr Shape kShapes[] = {
      {"t_gauge{state=\"used\"}", 20, 80, ""},
      {"t_gauge{state!=\"used\"}", 20, 80, "t_gauge > 30"},
      {"rate(t_hits_total[30s])", 5, 60, ""},
      {"increase(t_misses_total{pool!=\"two\"}[1m])", 500, 3500, ""},
      {"avg_over_time(t_gauge[50s])", 20, 80, ""},
      {"min_over_time(t_max[30s])", 10, 60, ""},
      {"max_over_time(t_max[1m])", 40, 90, ""},
      {"sum without (state) (t_gauge) / t_max", 0.5, 3, "t_max > 5"},
      {"rate(t_hits_total[1m]) / (rate(t_hits_total[1m]) + rate(t_misses_total[1m]))", 0.3, 0.7,
       "increase(t_hits_total[1m]) > 100"},
      {"histogram_quantile(0.9, rate(t_wait_seconds[1m]))", 0.002, 0.08, ""},
      {"histogram_quantile(0.5, sum (rate(t_wait_seconds[30s])))", 0.002, 0.05, ""},
      {"max by (state) (t_gauge) - min by (state) (t_gauge)", 30, 80, ""},
      {"100 - 2 * avg (t_gauge)", -40, 30, ""},
      {"rate(t_wait_seconds_count[1m])", 1, 4, ""},
  };
  std::string text = "rules:\n";
  int number = 0;
  for (const Shape& shape : kShapes) {
    for (const bool above : {true, false}) {
      const double enter =
          shape.low + (shape.high - shape.low) * random.Unit() + 0.000'123'457'9 * random.Unit();
      text += fmt::format("  - name: PerfkitAgree{}\n    expr: {}\n", ++number, shape.expression);
      if (*shape.where != '\0') text += fmt::format("    where: {}\n", shape.where);
      text += fmt::format("    warning: {{enter: \"{} {:.12f}\", clear: {:.12f}}}\n",
                          above ? ">" : "<=", enter, enter);
      text += fmt::format("    for: {}s\n    keep_firing_for: {}s\n", 10 * random.Int(0, 4),
                          10 * random.Int(0, 3));
      text += "    labels: {area: test}\n";
    }
  }
  return text;
}

std::string Expected(const Engine& engine) {
  std::string text;
  for (const Alert& alert : engine.Alerts()) {
    if (alert.state == AlertState::kResolved) continue;
    Labels labels = alert.labels;
    labels.emplace_back("alertname", alert.name);
    labels.emplace_back("alertstate", std::string(Name(alert.state)));
    labels.emplace_back("severity", "warning");
    text += fmt::format("          - {{labels: {}, value: 1}}\n",
                        Json("ALERTS" + ToText(labels)).Dump());
  }
  return text;
}

/// Runs one group through the engine; how many alerts were pending or firing, over all steps.
std::size_t WriteGroup(const RuleSet& rules, const World& world, std::ostream& out) {
  out << "  - interval: " << kStep << "s\n    input_series:\n";
  for (const Series& series : world.series) {
    out << "      - series: " << Json(series.text).Dump() << "\n        values: '";
    for (const double value : series.values) out << fmt::format("{} ", value);
    out << "'\n";
  }
  out << "    promql_expr_test:\n";
  Engine engine(rules, {.interval = std::chrono::seconds(kStep)});
  std::size_t states = 0;
  for (int i = 0; i < kSteps; ++i) {
    const WallTime now = test::At(kStep * i);
    engine.Observe(now, world.feeds[At(i)].Snapshot());
    engine.Evaluate(now);
    const std::string expected = Expected(engine);
    states += static_cast<std::size_t>(std::count(expected.begin(), expected.end(), '\n'));
    out << fmt::format("      - expr: ALERTS\n        eval_time: {}s\n        exp_samples:{}\n{}",
                       kStep * i, expected.empty() ? " []" : "", expected);
  }
  return states;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) {
    std::cout << ToPrometheusRules(DefaultRules());
    return 0;
  }
  if (argc != 4) return 64;
  Random random(std::strtoull(argv[1], nullptr, 10));
  const int groups = std::atoi(argv[2]);
  const std::string directory = argv[3];
  const RuleSet rules = ParseRulesText("agreement", MakeRules(random));
  std::ofstream(directory + "/rules.yml")
      << ToPrometheusRules(rules, {.group = "agreement", .interval = std::chrono::seconds(kStep)});
  std::ofstream tests(directory + "/tests.yml");
  tests << "rule_files: [rules.yml]\nevaluation_interval: " << kStep << "s\ntests:\n";
  std::size_t series = 0, states = 0;
  for (int i = 0; i < groups; ++i) {
    const World world = MakeWorld(random);
    series += world.series.size();
    states += WriteGroup(rules, world, tests);
  }
  std::cout << fmt::format(
      "{} rules, {} groups, {} series, {} steps, {} pending or firing alerts\n", rules.rules.size(),
      groups, series, groups * kSteps, states);
  return 0;
}

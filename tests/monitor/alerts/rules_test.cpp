// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/rule.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/random.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/monitor/alerts/expression.hpp"
#include "libperf/monitor/alerts/prometheus_rules.hpp"

namespace perf::monitor::alerts {
namespace {

std::string PromQl(const std::string& text) { return ToPromQl(*ParseExpression(text)); }

struct Wrong {
  std::size_t offset = 0;
  std::string message;
  std::string suggestion;
};
Wrong Refused(const std::string& text) {
  try {
    ParseExpression(text);
  } catch (const ExpressionError& error) {
    return {error.Offset(), error.what(), error.Suggestion()};
  }
  return {};
}

std::string Complaint(const std::string& text) {
  try {
    ParseRulesText("rules.yaml", text);
  } catch (const config::PlacedError& error) {
    return error.what();
  }
  return {};
}
bool Says(const std::string& text, const std::string& what) {
  const std::string complaint = Complaint(text);
  const bool says = complaint.find(what) != std::string::npos;
  if (!says) MESSAGE(complaint);
  return says;
}

std::string OneRule(const std::string& more) {
  return "rules:\n  - name: PerfkitThing\n    expr: perfkit_thing\n" + more;
}
const LevelRule& Warning(const RuleSet& set) { return *set.rules.at(0).At(Level::kWarning); }

TEST_CASE("alerts: expressions become the PromQL that they look like") {
  CHECK(PromQl("perfkit_a") == "perfkit_a");
  CHECK(PromQl(" a { x = \"1\" , y!=\"q\\\"\\\\\\n\" } ") == "a{x=\"1\",y!=\"q\\\"\\\\\\n\"}");
  CHECK(PromQl("rate(a{x=\"1\"}[300s])") == "rate(a{x=\"1\"}[5m])");
  CHECK(PromQl("a + b * -2.5 - c/d") == "(a + (b * -2.5)) - (c / d)");
  CHECK(PromQl("sum(a) by (x,y)") == "sum by (x, y) (a)");
  CHECK(PromQl("max without (x) (a / (b+1))") == "max without (x) (a / (b + 1))");
  CHECK(PromQl("avg(a)") == "avg (a)");
  CHECK(PromQl("histogram_quantile(0.99, rate(h[1m30s]))") ==
        "histogram_quantile(0.99, rate(h_bucket[90s]))");
  CHECK(PromQl("histogram_quantile(0.5, sum by (pool) (rate(h{a=\"b\"}[1m])))") ==
        "histogram_quantile(0.5, sum by (pool, le) (rate(h_bucket{a=\"b\"}[1m])))");
  CHECK(PromQl("histogram_quantile(1, sum (rate(h[1m])))") ==
        "histogram_quantile(1, sum by (le) (rate(h_bucket[1m])))");
  CHECK(PromQl("histogram_quantile(0, sum without (pool) (rate(h[1m])))") ==
        "histogram_quantile(0, sum without (pool) (rate(h_bucket[1m])))");
}

TEST_CASE("alerts: what is no expression is refused at its place") {
  const auto check = [](const std::string& text, std::size_t offset, const std::string& message) {
    const Wrong wrong = Refused(text);
    CAPTURE(text);
    CAPTURE(wrong.message);
    CHECK(wrong.offset == offset);
    CHECK(wrong.message.find(message) != std::string::npos);
  };
  check("", 0, "expected a metric");
  check("1 + 2", 0, "names no metric");
  check("sum(2)", 0, "aggregation needs a metric");
  check("histogram_quantile(.5, rate(h[1m]))", 19, "expected a number");
  check("a + sum(1)", 0, "aggregation needs a metric");
  check("a > 1", 2, "levels of the rule");
  check("a[5m]", 1, "needs a function");
  check("rate(a)", 6, "and a window");
  check("rate(a[5])", 7, "whole number of seconds");
  check("rate(a[7h])", 7, "whole number of seconds");
  check("rate(a[500ms])", 7, "whole number of seconds");
  check("rate(a[5m)", 7, "no ']'");
  check("(a", 2, "close the parenthesis");
  check("a{x=~\"b\"}", 4, "regular expressions");
  check("a{x=\"b}", 7, "no closing quote");
  check("a{le=\"1\"}", 2, "as a whole");
  check("a b", 2, "does not belong");
  check("histogram_quantile(2, rate(h[1m]))", 19, "between 0 and 1");
  check("histogram_quantile(0.5, h)", 24, "expected rate");
  check("sum by (le) (a)", 8, "leave out 'le'");
  CHECK(Refused("rat(a[5m])").suggestion == "rate");
  CHECK(Refused("a{x=\"" + std::string(5000, 'y') + "\"}").message.find("4096") !=
        std::string::npos);
  CHECK(Refused(std::string(100, '(') + "a" + std::string(100, ')')).message.find("nests") !=
        std::string::npos);
  std::string chain = "a";
  for (int i = 0; i < 200; ++i) chain += "+a";
  CHECK(Refused(chain).message.find("64 operators") != std::string::npos);
}

TEST_CASE("alerts: mutated expressions are refused, or print as what they parse from") {
  const std::vector<std::string> seeds{
      "sum by (a) (rate(m{x=\"1\"}[5m])) / 2 + max without (b) (k)", "a - b * -1e3 / (c + 4)",
      "avg_over_time(q{x!=\"\\\\\\\"\\n\"}[1h30m])"};
  const std::string_view alphabet = "abm_0159.e+-*/(){}[]\"\\,=! \n";
  Random random(11);
  int parsed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = seeds[static_cast<std::size_t>(random.Int(0, 2))];
    for (std::int64_t change = random.Int(1, 3); change > 0; --change) {
      const auto at =
          static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(text.size()) - 1));
      const char letter = alphabet[static_cast<std::size_t>(
          random.Int(0, static_cast<std::int64_t>(alphabet.size()) - 1))];
      if (random.Unit() < 0.5) {
        text[at] = letter;
      } else {
        text.insert(at, 1, letter);
      }
    }
    std::string once;
    try {
      once = PromQl(text);
    } catch (const ExpressionError& error) {
      REQUIRE(error.Offset() <= text.size());
      continue;
    }
    ++parsed;
    CAPTURE(text);
    REQUIRE(PromQl(once) == once);
  }
  CHECK(parsed > 1000);
}

TEST_CASE("alerts: thresholds take the units of their rule, and clear a tenth below") {
  CHECK(Warning(ParseRulesText("r", OneRule("    warning: \"> 10\"\n"))).clear ==
        doctest::Approx(9));
  const RuleSet share = ParseRulesText("r", OneRule("    unit: ratio\n    warning: \"< 70%\"\n"));
  CHECK(Warning(share).enter == doctest::Approx(0.7));
  CHECK(Warning(share).clear == doctest::Approx(0.73));
  // A band of a tenth would hold `up < 1` for ever.
  CHECK(Warning(ParseRulesText("r", OneRule("    warning: \"< 1\"\n"))).clear == 1);
  const RuleSet times =
      ParseRulesText("r", OneRule("    unit: seconds\n    for: 1m\n    warning: {enter: \">= "
                                  "250ms\", clear: 0.2, for: 10s}\n"));
  CHECK(Warning(times).enter == doctest::Approx(0.25));
  CHECK(Warning(times).clear == 0.2);
  CHECK(Warning(times).hold == std::chrono::seconds(10));
  CHECK(Warning(times).comparison == Comparison::kAtLeast);
  CHECK(
      Warning(ParseRulesText("r", OneRule("    unit: bytes\n    warning: \"> 512MiB\"\n"))).enter ==
      512.0 * 1024 * 1024);
  CHECK(Show(0.956, Unit::kRatio) == "95.6 %");
  CHECK(Show(1.5, Unit::kSeconds) == "1.5s");
  CHECK(Show(-1.5, Unit::kSeconds) == "-1.5s");
  CHECK(Show(1536, Unit::kBytes) == "1.5 KiB");
}

TEST_CASE("alerts: a rule file that is wrong is told with place and remedy") {
  CHECK(Says(OneRule("    warnin: \"> 1\"\n"), "rules.yaml:4:5: error: "));
  CHECK(Says(OneRule("    warnin: \"> 1\"\n"), "did you mean 'warning'"));
  CHECK(Says(OneRule(""), "the rule has no level"));
  CHECK(Says(OneRule("    warning: 1\n"), "expected '>', '>=', '<' or '<='"));
  CHECK(Says(OneRule("    warning: \"> 250ms\"\n"), "no threshold of a rule with `unit: none`"));
  CHECK(Says(OneRule("    warning: {enter: \"> 1\", clear: 2}\n"),
             "4:36: error: the alert would never clear"));
  CHECK(Says(OneRule("    warning: {enter: \"< 1\", clear: 0.5}\n"), "would never clear"));
  CHECK(Says(OneRule("    warning: \"> 2\"\n    critical: \"> 1\"\n"), "reached later"));
  CHECK(Says(OneRule("    warning: \"> 2\"\n    critical: \"< 1\"\n"), "same side"));
  CHECK(Says(OneRule("    warning: \"> 1\"\n    labels: {severity: x}\n"), "set by the engine"));
  CHECK(Says(OneRule("    warning: \"> 1\"\n    annotations: {summary: \"{{ $label.x }}\"}\n"),
             "is not understood"));
  CHECK(Says(OneRule("    warning: \"> 1\"\n    where: perfkit_b\n"), "expected a condition"));
  CHECK(Says("rules:\n  - {name: PoolBad, expr: a, warning: \"> 1\"}\n", "begins with Perfkit"));
  CHECK(Says("rules:\n  - {name: PerfkitDataStale, expr: a, warning: \"> 1\"}\n",
             "by the engine itself"));
  CHECK(Says("rules:\n  - {name: PerfkitA, expr: \"rat(a[5m])\", warning: \"> 1\"}\n",
             "2:29: error: no function is called 'rat'"));
  CHECK(Says("rules:\n  - {name: PerfkitA, expr: \"rat(a[5m])\", warning: \"> 1\"}\n",
             "did you mean 'rate'"));
  const std::string twice = "  - {name: PerfkitA, expr: a, warning: \"> 1\"}\n";
  CHECK(Says("rules:\n" + twice + twice, "another rule 'PerfkitA'"));
  CHECK(Says("inhibit:\n  - {source: {a: b}, target: {}}\n", "at least one label"));
  // All of it at once.
  const std::string both = Complaint("rules:\n  - {name: Bad, expr: \"a >\", warning: \"1\"}\n");
  CHECK(both.find("begins with") != std::string::npos);
  CHECK(both.find("levels of the rule") != std::string::npos);
}

TEST_CASE("alerts: the default rules are sound, and obey the limits of the environment") {
  const RuleSet rules = DefaultRules({.memory_bytes = 256.0 * 1024 * 1024, .cpu_ratio = 0.65});
  CHECK(rules.rules.size() >= 20);
  CHECK(rules.inhibitions.size() == 3);
  const auto find = [&](const std::string& name) -> const Rule& {
    for (const Rule& rule : rules.rules) {
      if (rule.name == name) return rule;
    }
    throw std::runtime_error("no " + name);
  };
  CHECK(find("PerfkitMemoryHigh").At(Level::kWarning)->enter == 256.0 * 1024 * 1024);
  CHECK(find("PerfkitCpuHigh").At(Level::kWarning)->enter == doctest::Approx(0.65));
  for (const Rule& rule : rules.rules) {
    CAPTURE(rule.name);
    CHECK(!rule.annotations.summary.empty());
    CHECK(!ValueOf(rule.labels, "area").empty());
  }
}

TEST_CASE("alerts: levels, dead band and conditions are written for Prometheus") {
  const RuleSet rules = ParseRulesText("r", R"(
rules:
  - name: PerfkitThing
    expr: a / b
    unit: ratio
    warning: {enter: "> 90%", clear: 80%, for: 1m}
    critical: {enter: ">= 100%", clear: 100%, where: c > 3}
    keep_firing_for: 2m
    labels: {area: things}
    annotations: {summary: "{{ $labels.x }} at {{ $value }}"}
)");
  const std::string text = ToPrometheusRules(rules);
  CAPTURE(text);
  const auto says = [&](const std::string& what) { return text.find(what) != std::string::npos; };
  CHECK(says(R"x(expr: "((a / b) > 0.9) or ((a / b) > 0.8 and ignoring )x"
             R"x((alertname, alertstate, severity, area) ALERTS{alertname=\"PerfkitThing\",)x"
             R"x(severity=\"warning\",alertstate=\"firing\"})")x"));
  CHECK(says(R"x(expr: "((a / b) >= 1) and (c > 3)")x"));
  CHECK(says("for: 1m\n        keep_firing_for: 2m"));
  CHECK(says(R"x(summary: "{{ $labels.x }} at {{ $value | humanizePercentage }}")x"));
  CHECK(ToPrometheusRules(rules, {.dead_band = false}).find("ALERTS") == std::string::npos);
}

}  // namespace
}  // namespace perf::monitor::alerts

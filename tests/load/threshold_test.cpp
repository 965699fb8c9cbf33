// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/threshold.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "libperf/base/error.hpp"

namespace perf::load {
namespace {

std::string ConditionError(std::string_view text) {
  try {
    Condition::Parse(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

std::string ThresholdError(std::string_view text) {
  try {
    ThresholdSpec::Parse(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("threshold: what the grammar accepts") {
  using Unit = Condition::Unit;
  struct Case {
    std::string_view text;
    Aggregation aggregation;
    double percentile;
    Comparison comparison;
    double limit;
    Unit unit = Unit::kNone;
  };
  const Case cases[] = {
      {"count>20", Aggregation::kCount, 0, Comparison::kGreater, 20},
      {"rate>1", Aggregation::kRate, 0, Comparison::kGreater, 1},
      {"value>1", Aggregation::kValue, 0, Comparison::kGreater, 1},
      {"avg>1", Aggregation::kAvg, 0, Comparison::kGreater, 1},
      {"min>1", Aggregation::kMin, 0, Comparison::kGreater, 1},
      {"max>1", Aggregation::kMax, 0, Comparison::kGreater, 1},
      {"med>1", Aggregation::kMed, 0, Comparison::kGreater, 1},
      {"p(99)>1", Aggregation::kPercentile, 99, Comparison::kGreater, 1},
      {"p(99.9)>1", Aggregation::kPercentile, 99.9, Comparison::kGreater, 1},
      {"p(0)>1", Aggregation::kPercentile, 0, Comparison::kGreater, 1},
      {"p(100)>1", Aggregation::kPercentile, 100, Comparison::kGreater, 1},
      {"count<20", Aggregation::kCount, 0, Comparison::kLess, 20},
      {"count<=20", Aggregation::kCount, 0, Comparison::kLessEqual, 20},
      {"count>=20", Aggregation::kCount, 0, Comparison::kGreaterEqual, 20},
      {"count==20", Aggregation::kCount, 0, Comparison::kEqual, 20},
      {"count===20", Aggregation::kCount, 0, Comparison::kEqual, 20},
      {"count!=20", Aggregation::kCount, 0, Comparison::kNotEqual, 20},
      {"count > 20", Aggregation::kCount, 0, Comparison::kGreater, 20},
      {"  count>20  ", Aggregation::kCount, 0, Comparison::kGreater, 20},
      {"rate<0.01", Aggregation::kRate, 0, Comparison::kLess, 0.01},
      {"value>-5", Aggregation::kValue, 0, Comparison::kGreater, -5},
      {"count<1e6", Aggregation::kCount, 0, Comparison::kLess, 1e6},
      {"p(99) < 250ms", Aggregation::kPercentile, 99, Comparison::kLess, 250, Unit::kTime},
      {"p(99) < 250 ms", Aggregation::kPercentile, 99, Comparison::kLess, 250, Unit::kTime},
      {"avg<1.5s", Aggregation::kAvg, 0, Comparison::kLess, 1500, Unit::kTime},
      {"max<1m30s", Aggregation::kMax, 0, Comparison::kLess, 90'000, Unit::kTime},
      {"min>=20us", Aggregation::kMin, 0, Comparison::kGreaterEqual, 0.02, Unit::kTime},
      {"rate < 1%", Aggregation::kRate, 0, Comparison::kLess, 0.01, Unit::kPercent},
      {"rate<=0.5 %", Aggregation::kRate, 0, Comparison::kLessEqual, 0.005, Unit::kPercent},
      {"value<50MiB", Aggregation::kValue, 0, Comparison::kLess, 52'428'800, Unit::kBytes},
      {"rate>=200/s", Aggregation::kRate, 0, Comparison::kGreaterEqual, 200, Unit::kPerSecond},
      {"rate>=600/m", Aggregation::kRate, 0, Comparison::kGreaterEqual, 10, Unit::kPerSecond},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const Condition parsed = Condition::Parse(c.text);
    CHECK(parsed.aggregation == c.aggregation);
    CHECK(parsed.percentile == c.percentile);
    CHECK(parsed.comparison == c.comparison);
    CHECK(parsed.limit == doctest::Approx(c.limit).epsilon(1e-12));
    CHECK(parsed.unit == c.unit);
  }
}

TEST_CASE("threshold: what the grammar rejects, with the text and the form in the message") {
  const std::string_view cases[] = {
      "",          " ",           "count!20",     "foo>20",       "count>abc",  "count>",
      "count",     "rate",        "value",        "p(99)",        ">20",        "20",
      "p()>1",     "p(99>1",      "p(99",         "p(foo)>1",     "p(-1)>1",    "p(101)>1",
      "p(NaN)>1",  "p(+Inf)>1",   "p(Inf)>1",     "p(100.1)>1",   "p(1e1)>1",   "p( 99 )>1",
      "p>1",       "p99>1",       "p(9.9.9)>1",   "count=20",     "count=>20",  "count>NaN",
      "count>Inf", "count>1 2",   "count>20>10",  "count>20 foo", "Count>20",   "avg<250msec",
      "avg<-5ms",  "rate<%",      "rate<1%%",     "rate>5/d",     "rate>/s",    "count>1e999",
      "count<>1",  "count ! = 1", "avg<1s 500ms", "p(99)p(95)>1", "count>0x10", "count>1,5",
  };
  for (const std::string_view text : cases) {
    CAPTURE(text);
    const std::string message = ConditionError(text);
    CHECK(Contains(message, "p(99) < 250ms"));
    CHECK(Contains(message, "'" + std::string(text == " " ? "" : text) + "'"));
  }
  CHECK(Contains(ConditionError("mx<20"), "did you mean 'max'?"));
  CHECK(Contains(ConditionError("count!20"), "operator"));
  CHECK(Contains(ConditionError("p(101)>1"), "p(0) to p(100)"));
}

TEST_CASE("threshold: a condition holds for what it says and never for no number") {
  struct Case {
    std::string_view text;
    bool below, at, above;
  };
  const Case cases[] = {
      {"avg<10", true, false, false},  {"avg<=10", true, true, false},
      {"avg>10", false, false, true},  {"avg>=10", false, true, true},
      {"avg==10", false, true, false}, {"avg!=10", true, false, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const Condition condition = Condition::Parse(c.text);
    CHECK(condition.Holds(9.9) == c.below);
    CHECK(condition.Holds(10) == c.at);
    CHECK(condition.Holds(10.1) == c.above);
    CHECK_FALSE(condition.Holds(std::numeric_limits<double>::quiet_NaN()));
  }
  CHECK(Condition::Parse("rate==1%").Holds(0.01));
}

TEST_CASE("threshold: aggregation and unit must fit the metric") {
  struct Case {
    std::string_view text;
    bool trend, counter, rate, gauge;
  };
  const Case cases[] = {
      {"avg<1", true, false, false, false},      {"med<1ms", true, false, false, false},
      {"p(9)<1", true, false, false, false},     {"max<1%", false, false, false, false},
      {"min>1MiB", false, false, false, false},  {"count>1", true, true, true, false},
      {"count>1ms", false, false, false, false}, {"count>1MiB", false, true, false, false},
      {"rate<0.5", false, true, true, false},    {"rate<5%", false, false, true, false},
      {"rate<5", false, true, false, false},     {"rate>5/s", false, true, false, false},
      {"rate<101%", false, false, false, false}, {"value<5", false, false, false, true},
      {"value<5MiB", false, false, false, true}, {"value<5%", false, false, false, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const Condition condition = Condition::Parse(c.text);
    CHECK(!condition.MisfitFor(MetricType::kTrend) == c.trend);
    CHECK(!condition.MisfitFor(MetricType::kCounter) == c.counter);
    CHECK(!condition.MisfitFor(MetricType::kRate) == c.rate);
    CHECK(!condition.MisfitFor(MetricType::kGauge) == c.gauge);
  }
  CHECK(Contains(Condition::Parse("p(99)<1").MisfitFor(MetricType::kRate).value_or(""), "'p(N)'"));
}

TEST_CASE("threshold: a metric path stands before the colon") {
  const ThresholdSpec spec = ThresholdSpec::Parse("steady.guest-1.service_time: p(95) < 20ms");
  CHECK(spec.text == "steady.guest-1.service_time: p(95) < 20ms");
  CHECK(spec.metric == "steady.guest-1.service_time");
  CHECK(spec.condition.aggregation == Aggregation::kPercentile);
  CHECK(spec.condition.limit == 20);
  CHECK_FALSE(spec.window);
  CHECK_FALSE(spec.abort);
  CHECK(ThresholdSpec::Parse("latency:p(99)<250").metric == "latency");
  CHECK(ThresholdSpec::Parse(" dropped : count == 0").metric == "dropped");

  CHECK(Contains(ThresholdError("p(99) < 250ms"), "names no metric"));
  CHECK(Contains(ThresholdError(": p(99) < 250ms"), "no metric path"));
  CHECK(Contains(ThresholdError("a..b: count>1"), "'a..b'"));
  CHECK(Contains(ThresholdError(".a: count>1"), "no metric path"));
  CHECK(Contains(ThresholdError("a b: count>1"), "no metric path"));
  CHECK(Contains(ThresholdError("lat{x:1}: count>1"), "no metric path"));
  CHECK(Contains(ThresholdError("latency: p(99) 250ms"), "operator"));
  CHECK(Contains(ThresholdError("latency:"), "empty"));
  CHECK(Contains(ThresholdError("a: b: count>1"), "'b: count>1'"));
}

}  // namespace
}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/summary.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <string>
#include <vector>

using namespace perf;
using namespace perf::report;

namespace {

load::ThresholdResult Threshold(const char* expr, bool ok, double observed, double limit) {
  load::ThresholdResult threshold;
  threshold.expr = expr;
  threshold.ok = ok;
  threshold.observed = observed;
  threshold.limit = limit;
  threshold.unit = "ms";
  return threshold;
}

load::Result Failed() {
  load::Result result;
  result.scenario_name = "greeting";
  result.verdict = load::Verdict::kFail;
  result.duration_s = 12.34;
  result.thresholds = {Threshold("latency: p(99) < 250ms", true, 125, 250),
                       Threshold("call.latency: max < 100ms", false, 150, 100),
                       Threshold("shut.wait: p(95) < 20ms", false, 0, 20)};
  result.thresholds[2].observed.reset();
  result.thresholds.push_back(Threshold("requests: count > 1000000", true, 1'234'567, 1'000'000));
  result.thresholds.back().unit = "";
  result.thresholds.back().less_is_better = false;
  result.total.requests.total = 1'234'567;
  result.total.requests.failed = 12;
  result.total.requests.dropped = 3'000;
  load::Section flow;
  flow.name = "call";
  flow.requests = result.total.requests;
  flow.steps = {flow, flow};
  flow.steps[0].name = "guest";
  flow.steps[1].name = "token";
  result.flows = {flow};
  result.samples = {{"call", "steady", "guest", "status", "HTTP status 500", 1.5}};
  result.target_rate = 100;
  result.achieved_rate = 99.5;
  return result;
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("summary: milliseconds have at most three significant digits and the unit that fits") {
  struct Row {
    double ms;
    const char* text;
  };
  const Row rows[] = {
      {0, "0 ms"},         {-1, "0 ms"},        {0.001, "1.0 µs"},     {0.0425, "42.5 µs"},
      {0.0999, "99.9 µs"}, {0.09996, "100 µs"}, {0.42, "420 µs"},      {0.9994, "999 µs"},
      {0.9996, "1.00 ms"}, {1, "1.00 ms"},      {9.994, "9.99 ms"},    {9.996, "10.0 ms"},
      {42.25, "42.2 ms"},  {99.94, "99.9 ms"},  {99.96, "100 ms"},     {250, "250 ms"},
      {999.4, "999 ms"},   {999.6, "1.00 s"},   {1250, "1.25 s"},      {9996, "10.0 s"},
      {12'340, "12.3 s"},  {99'960, "100 s"},   {3'600'000, "3600 s"},
  };
  for (const Row& row : rows) CHECK(FormatMs(row.ms) == row.text);
}

TEST_CASE("summary: thousands are separated") {
  CHECK(Grouped(0) == "0");
  CHECK(Grouped(999) == "999");
  CHECK(Grouped(1000) == "1,000");
  CHECK(Grouped(123'456) == "123,456");
  CHECK(Grouped(1'234'567) == "1,234,567");
  CHECK(Grouped(18'446'744'073'709'551'615u) == "18,446,744,073,709,551,615");
}

TEST_CASE("summary: each failed threshold stands there, with what was observed") {
  const std::string text = Summary(Failed(), Style(ColorChoice::kNever, 1), {"out/result.json"});
  CHECK(Has(text, "FAIL  greeting: 2 of 4 thresholds failed, 1,234,567 requests, 12 failed"));
  CHECK(Has(text, "  ok   latency: p(99) < 250ms"));
  CHECK(Has(text, "  FAIL call.latency: max < 100ms"));
  CHECK(Has(text, "150 ms"));
  CHECK(Has(text, "-50 %"));
  CHECK(Has(text, "+50 %"));
  CHECK(Has(text, "  FAIL shut.wait: p(95) < 20ms"));
  CHECK(Has(text, "no samples"));
  CHECK(Has(text, "1,234,567"));
  CHECK(!Has(text, "e+0"));
  CHECK(Has(text, "3,000"));  // dropped
  CHECK(Has(text, "HTTP status 500"));
  CHECK(Has(text, "guest"));
  CHECK(Has(text, "out/result.json"));
  CHECK(text.back() == '\n');
}

TEST_CASE("summary: a run that is not valid says why") {
  load::Result result = Failed();
  result.verdict = load::Verdict::kInvalid;
  result.invalid_reasons = {{"lag", "the generator was late"}, {"cpu", "too busy"}};
  const std::string text = Summary(result, Style(ColorChoice::kNever, 1), {});
  CHECK(Has(text, "INVALID"));
  CHECK(Has(text, "not valid (lag): the generator was late"));
  CHECK(Has(text, "not valid (cpu): too busy"));
}

TEST_CASE("summary: an empty result is no trap") {
  const load::Result nothing;
  CHECK(Has(Summary(nothing, Style(ColorChoice::kNever, 1), {}), "PASS"));
}

TEST_CASE("style: colours only where they are wanted, and never more than colours") {
  const Style off(ColorChoice::kNever, 1);
  const Style on(ColorChoice::kAlways, 1);
  CHECK(!off.Colored());
  CHECK(off.Bad("x") == "x");
  CHECK(on.Bad("x") == "\x1b[31;1mx\x1b[0m");
  const std::string plain = Summary(Failed(), off, {"path"});
  CHECK(!Has(plain, "\x1b"));
  // Without its codes the coloured text is the plain one.
  std::string colored = Summary(Failed(), on, {"path"});
  CHECK(Has(colored, "\x1b"));
  for (std::size_t at = 0; (at = colored.find('\x1b', at)) != std::string::npos;) {
    colored.erase(at, colored.find('m', at) - at + 1);
  }
  CHECK(colored == plain);
  // A pipe or file is no terminal, whatever the environment says.
  CHECK(!Style(ColorChoice::kAuto, -1).Colored());
}

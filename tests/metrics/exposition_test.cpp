// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/exposition.hpp"

#include <doctest/doctest.h>

#include <clocale>
#include <limits>
#include <string>

#include "libperf/base/random.hpp"

namespace perf::metrics {
namespace {

MetricsSnapshot Small() {
  Registry registry;
  registry
      .Counters({.name = "perfkit_cpu_seconds_total",
                 .help = "A \\ \"b\"\nc.",
                 .unit = "seconds",
                 .labels = {"pool"},
                 .scale = 1e-3})
      .With({"x\\y\"z\n"})
      .Add(2500);
  registry.Gauges({.name = "perfkit_level", .help = "B."}).With({}).Set(0.25);
  auto& waits = registry.Histograms(
      {.name = "perfkit_wait_seconds", .help = "C.", .unit = "seconds", .labels = {"p"}},
      Buckets{-3, 2, 1});
  waits.With({"q"}).Observe(100U);
  waits.With({"q"}).Observe(400U);
  waits.With({"q"}).Observe(5000U);
  MetricsSnapshot snapshot = registry.Gather();
  for (FamilySnapshot& family : snapshot.families) {
    for (Sample& sample : family.samples) {
      if (sample.created) sample.created = 1700000000.5;
    }
  }
  return snapshot;
}

TEST_CASE("exposition in the text format") {
  CHECK(Expose(Small()) == R"(# HELP perfkit_cpu_seconds_total A \\ "b"\nc.
# TYPE perfkit_cpu_seconds_total counter
perfkit_cpu_seconds_total{pool="x\\y\"z\n"} 2.5
# HELP perfkit_level B.
# TYPE perfkit_level gauge
perfkit_level 0.25
# HELP perfkit_wait_seconds C.
# TYPE perfkit_wait_seconds histogram
perfkit_wait_seconds_bucket{p="q",le="0.1"} 1
perfkit_wait_seconds_bucket{p="q",le="0.2"} 1
perfkit_wait_seconds_bucket{p="q",le="0.5"} 2
perfkit_wait_seconds_bucket{p="q",le="1.0"} 2
perfkit_wait_seconds_bucket{p="q",le="+Inf"} 3
perfkit_wait_seconds_count{p="q"} 3
perfkit_wait_seconds_sum{p="q"} 5.5
)");
}

TEST_CASE("exposition in OpenMetrics") {
  CHECK(Expose(Small(), {.format = Format::kOpenMetrics, .created = true}) ==
        R"(# TYPE perfkit_cpu_seconds counter
# UNIT perfkit_cpu_seconds seconds
# HELP perfkit_cpu_seconds A \\ \"b\"\nc.
perfkit_cpu_seconds_total{pool="x\\y\"z\n"} 2.5
perfkit_cpu_seconds_created{pool="x\\y\"z\n"} 1700000000.500
# TYPE perfkit_level gauge
# HELP perfkit_level B.
perfkit_level 0.25
# TYPE perfkit_wait_seconds histogram
# UNIT perfkit_wait_seconds seconds
# HELP perfkit_wait_seconds C.
perfkit_wait_seconds_bucket{p="q",le="0.1"} 1
perfkit_wait_seconds_bucket{p="q",le="0.2"} 1
perfkit_wait_seconds_bucket{p="q",le="0.5"} 2
perfkit_wait_seconds_bucket{p="q",le="1.0"} 2
perfkit_wait_seconds_bucket{p="q",le="+Inf"} 3
perfkit_wait_seconds_count{p="q"} 3
perfkit_wait_seconds_sum{p="q"} 5.5
perfkit_wait_seconds_created{p="q"} 1700000000.500
# EOF
)");
  CHECK(Expose({}, {.format = Format::kOpenMetrics}) == "# EOF\n");
  CHECK(Expose({}).empty());
  const std::string all = Expose(Small(), {.all_buckets = true});
  CHECK(all.find("le=\"0.315\"} 1\n") != std::string::npos);
}

TEST_CASE("canonical numbers") {
  CHECK(CanonicalNumber(0) == "0.0");
  CHECK(CanonicalNumber(1) == "1.0");
  CHECK(CanonicalNumber(0.001) == "0.001");
  CHECK(CanonicalNumber(0.0001) == "0.0001");
  CHECK(CanonicalNumber(0.00001) == "1e-05");
  CHECK(CanonicalNumber(3.15e-6) == "3.15e-06");
  CHECK(CanonicalNumber(100000) == "100000.0");
  CHECK(CanonicalNumber(1e6) == "1e+06");
  CHECK(CanonicalNumber(1.25e100) == "1.25e+100");
  CHECK(CanonicalNumber(-2.5) == "-2.5");
  CHECK(CanonicalNumber(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(CanonicalNumber(-std::numeric_limits<double>::infinity()) == "-Inf");
  CHECK(CanonicalNumber(std::numeric_limits<double>::quiet_NaN()) == "NaN");
}

TEST_CASE("numbers do not depend on the locale") {
  // Where no such locale is installed this shows nothing, and passes.
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  }
  CHECK(CanonicalNumber(0.5) == "0.5");
  CHECK(Expose(Small()).find(" 2.5\n") != std::string::npos);
  std::setlocale(LC_ALL, "C");
}

/// What a parser makes of the one label value in the text.
std::string Unescaped(const std::string& text) {
  const std::size_t start = text.find("{v=\"") + 4;
  std::string value;
  for (std::size_t i = start; text.at(i) != '"'; ++i) {
    if (text[i] != '\\') {
      REQUIRE(text[i] != '\n');
      value += text[i];
      continue;
    }
    const char c = text.at(++i);
    REQUIRE((c == '\\' || c == 'n' || c == '"'));
    value += c == 'n' ? '\n' : c;
  }
  REQUIRE(text.substr(text.find('"', start + value.size() / 2)).find("} 1\n") != std::string::npos);
  return value;
}

TEST_CASE("label values come back as they were, whatever stands in them") {
  Random random(5);
  const std::string pieces[] = {"\\",  "\"",   "\n",  "n",      "}",
                                " ",   "{",    ",",   "\u00e9", "\u20ac",
                                "\r",  "\t",   "#",   "=",      "\xF0\x9F\x8E\xB5",
                                "\\n", "\\\\", "\x7f"};
  for (int round = 0; round < 5'000; ++round) {
    std::string value;
    for (std::int64_t i = random.Int(0, 12); i > 0; --i) {
      value += pieces[static_cast<std::size_t>(random.Int(0, 17))];
    }
    MetricsSnapshot snapshot;
    snapshot.families.push_back(
        {{"perfkit_x", "x", Type::kGauge, "", false}, {Sample{{{"v", value}}, 1, 0, {}, {}}}});
    for (const Format format : {Format::kPrometheus, Format::kOpenMetrics}) {
      REQUIRE(Unescaped(Expose(snapshot, {.format = format})) == value);
    }
  }
}

TEST_CASE("bytes that are not UTF-8 are replaced, one by one") {
  const auto shown = [](std::string value) {
    MetricsSnapshot snapshot;
    snapshot.families.push_back(
        {{"perfkit_x", "x", Type::kGauge, "", false}, {Sample{{{"v", value}}, 1, 0, {}, {}}}});
    return Unescaped(Expose(snapshot));
  };
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(shown("a\xff"
              "b") == "a" + bad + "b");
  CHECK(shown("\xc3") == bad);
  CHECK(shown("\xc0\xaf") == bad + bad);                      // overlong
  CHECK(shown("\xed\xa0\x80") == bad + bad + bad);            // surrogate
  CHECK(shown("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
  CHECK(shown(std::string("a\0b", 3)) == "a" + bad + "b");
  CHECK(shown("\xf4\x8f\xbf\xbf") == "\xf4\x8f\xbf\xbf");
  Random random(9);
  for (int round = 0; round < 2'000; ++round) {
    std::string value;
    for (std::int64_t i = random.Int(0, 20); i > 0; --i)
      value += static_cast<char>(random.Int(0, 255));
    CHECK(shown(shown(value)) == shown(value));
  }
}

TEST_CASE("the format is negotiated") {
  CHECK(Negotiate("") == Format::kPrometheus);
  CHECK(Negotiate("*/*") == Format::kPrometheus);
  CHECK(Negotiate("text/plain") == Format::kPrometheus);
  CHECK(Negotiate("application/openmetrics-text") == Format::kOpenMetrics);
  CHECK(Negotiate("application/openmetrics-text;version=1.0.0;q=0.5,"
                  "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,"
                  "*/*;q=0.2") == Format::kOpenMetrics);
  CHECK(Negotiate("text/plain; q=0.9, application/openmetrics-text; q=0.1") == Format::kPrometheus);
  CHECK(Negotiate("application/openmetrics-text; q=0") == Format::kPrometheus);
  CHECK(Negotiate(";;;,,,q=") == Format::kPrometheus);
  CHECK(ContentType(Format::kPrometheus) == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(ContentType(Format::kOpenMetrics) ==
        "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

}  // namespace
}  // namespace perf::metrics

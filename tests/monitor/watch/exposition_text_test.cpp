// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/watch/exposition_text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/watch/exposition_line.hpp"

using namespace perf;
using namespace perf::monitor;

namespace {

const metrics::FamilySnapshot& Family(const metrics::MetricsSnapshot& snapshot,
                                      const std::string& name) {
  const auto found =
      std::find_if(snapshot.families.begin(), snapshot.families.end(),
                   [&](const metrics::FamilySnapshot& each) { return each.spec.name == name; });
  REQUIRE_MESSAGE(found != snapshot.families.end(), name);
  return *found;
}

std::string ErrorOf(const std::string& text, bool open = false,
                    const ExpositionLimits& limits = {}) {
  const ParsedExposition parsed = ParseExposition(text, open, limits);
  CHECK(parsed.snapshot.families.empty());
  return parsed.error;
}

}  // namespace

TEST_CASE("text 0.0.4 with all its liberties") {
  const ParsedExposition parsed = ParseExposition(
      "# a comment\n"
      "# HELP http_requests_total All \\\\ of\\nthem.\n"
      "# TYPE http_requests_total counter\n"
      "http_requests_total{method=\"post\",code=\"200\",} 1027 1395066363000\r\n"
      "  http_requests_total { code = \"400\" , method = \"post\" }\t3\n"
      "\n"
      "no_type_1 -Inf\n"
      "escaped{a=\"q\\\"b\\\\s\\nl\\x\"} 1.5e3\n"
      "# TYPE rpc summary\n"
      "rpc{quantile=\"0.5\"} 4773\n"
      "rpc_sum 1.7560473e+07\n"
      "rpc_count 2693",
      false);
  CHECK(parsed.error.empty());
  CHECK(parsed.series == 7);
  CHECK(parsed.left_out == 1);  // the quantile
  const metrics::FamilySnapshot& requests = Family(parsed.snapshot, "http_requests_total");
  CHECK(requests.spec.type == metrics::Type::kCounter);
  CHECK(requests.spec.foreign);
  CHECK(requests.spec.help == "All \\ of\nthem.");
  REQUIRE(requests.samples.size() == 2);
  CHECK(requests.samples[0].labels == metrics::Labels{{"code", "200"}, {"method", "post"}});
  CHECK(requests.samples[0].value == 1027);
  CHECK(requests.samples[1].labels == metrics::Labels{{"code", "400"}, {"method", "post"}});
  CHECK(std::isinf(Family(parsed.snapshot, "no_type_1").samples.at(0).value));
  CHECK(Family(parsed.snapshot, "no_type_1").spec.type == metrics::Type::kGauge);
  CHECK(Family(parsed.snapshot, "escaped").samples.at(0).labels.at(0).second == "q\"b\\s\nl\\x");
  const metrics::Sample& rpc = Family(parsed.snapshot, "rpc").samples.at(0);
  CHECK(rpc.count == 2693);
  CHECK(rpc.value == doctest::Approx(1.7560473e+07));
}

TEST_CASE("OpenMetrics: totals, exemplars, units, infos, and an end that must be there") {
  const std::string text =
      "# TYPE acquires counter\n"
      "# HELP acquires Loans.\n"
      "acquires_total{pool=\"main\"} 17.0 # {trace_id=\"ab, c\"} 0.67 1520879607.789\n"
      "acquires_created{pool=\"main\"} 1.7e+09\n"
      "# TYPE build info\n"
      "build_info{version=\"1\"} 1\n"
      "# TYPE wait_seconds gauge\n"
      "# UNIT wait_seconds seconds\n"
      "wait_seconds 0.5 1520879607.789\n";
  const ParsedExposition parsed = ParseExposition(text + "# EOF\n", true);
  CHECK(parsed.error.empty());
  CHECK(parsed.left_out == 0);
  CHECK(Family(parsed.snapshot, "acquires_total").samples.at(0).value == 17);
  CHECK(Family(parsed.snapshot, "build_info").samples.at(0).value == 1);
  CHECK(Family(parsed.snapshot, "wait_seconds").spec.unit == "seconds");
  CHECK(ErrorOf(text, true).find("EOF") != std::string::npos);
  // An exemplar is no part of the older format.
  CHECK_FALSE(ErrorOf("a_total 1 # {x=\"y\"} 1\n").empty());
}

TEST_CASE("what is not the format is an error that names the line") {
  CHECK(ErrorOf("good 1\nbad{ 2\n").starts_with("line 2: "));
  for (const char* bad : {"1abc 2",
                          "a",
                          "a b",
                          "a{b} 1",
                          "a{b=c} 1",
                          "a{b=\"c} 1",
                          "a{b=\"c\"d=\"e\"} 1",
                          "a{=\"c\"} 1",
                          "a 1 x",
                          "a 1 2 3",
                          "a 0x",
                          "a{b=\"1\",b=\"2\"} 1",
                          "# TYPE a nonsense",
                          "# TYPE a gauge\n# TYPE a gauge",
                          "a 1\n# TYPE a gauge",
                          "# HELP 1 x",
                          "# TYPE h histogram\nh_bucket{le=\"1\",le=\"2\"} 1",
                          "a\xff 1",
                          "a{b=\"\\\"} 1",
                          "{a=\"b\"} 1"}) {
    CAPTURE(bad);
    CHECK_FALSE(ErrorOf(bad).empty());
  }
  CHECK(ErrorOf("a{b=\"" + std::string(10'000, 'x')).size() < 300);
}

TEST_CASE("limits hold") {
  ExpositionLimits limits;
  limits.bytes = 100;
  CHECK(ErrorOf(std::string(101, '\n'), false, limits).find("100 bytes") != std::string::npos);
  limits = {};
  limits.series = 2;
  CHECK(ErrorOf("a 1\nb 2\nc 3\n", false, limits).find("2 series") != std::string::npos);
  CHECK_FALSE(ErrorOf("# TYPE a gauge\n# TYPE b gauge\n# TYPE c gauge\n", false, limits).empty());
  limits = {};
  limits.labels = 1;
  CHECK_FALSE(ErrorOf("a{b=\"\",c=\"\"} 1\n", false, limits).empty());
  limits = {};
  limits.label_bytes = 10;
  CHECK_FALSE(ErrorOf("a{b=\"0123456789\"} 1\n", false, limits).empty());
  CHECK_FALSE(ErrorOf(std::string(600, 'a') + " 1\n").empty());
}

TEST_CASE("our own text comes back as it went out, histograms exactly") {
  metrics::Registry registry;
  registry.Counters({.name = "perfkit_acquires_total", .help = "A.", .labels = {"x"}})
      .With({"with \"quotes\" and \\ and \n"})
      .Add(5);
  registry.Gauges({.name = "perfkit_body_bytes", .help = "B.", .unit = "bytes"})
      .With({})
      .Set(-0.25);
  auto& waits = registry.Histograms(
      {.name = "perfkit_wait_seconds", .help = "W.", .unit = "seconds", .labels = {"pool"}});
  for (int i = 1; i <= 1000; ++i) waits.With({"main"}).Observe(std::chrono::microseconds(i * i));
  waits.With({"main"}).Observe(std::chrono::hours(1));
  const metrics::MetricsSnapshot sent = registry.Gather();
  for (const int form : {0, 1, 2, 3}) {
    CAPTURE(form);
    metrics::ExpositionOptions options;
    const bool open = form >= 2;
    options.format = open ? metrics::Format::kOpenMetrics : metrics::Format::kPrometheus;
    options.created = open;
    options.all_buckets = form % 2 == 1;
    const ParsedExposition parsed = ParseExposition(metrics::Expose(sent, options), open);
    CHECK(parsed.error.empty());
    CHECK(parsed.left_out == 0);
    CHECK(Family(parsed.snapshot, "perfkit_acquires_total").samples.at(0).labels ==
          Family(sent, "perfkit_acquires_total").samples.at(0).labels);
    CHECK(Family(parsed.snapshot, "perfkit_body_bytes").samples.at(0).value == -0.25);
    const metrics::HistogramSnapshot back =
        Family(parsed.snapshot, "perfkit_wait_seconds").samples.at(0).histogram.value();
    const metrics::HistogramSnapshot gone =
        Family(sent, "perfkit_wait_seconds").samples.at(0).histogram.value();
    CHECK(back.buckets == gone.buckets);
    CHECK(back.Count() == gone.Count());
    CHECK(back.sum == doctest::Approx(gone.sum));
    if (options.all_buckets) CHECK(back.counts == gone.counts);
    // At 1, 2 and 5 of a decade nothing is lost.
    std::uint64_t until_back = 0;
    std::uint64_t until_gone = 0;
    for (std::size_t i = 0; i < back.counts.size(); ++i) {
      until_back += back.counts[i];
      until_gone += gone.counts[i];
      if (metrics::Buckets::Coarse(i)) CHECK(until_back == until_gone);
    }
  }
}

TEST_CASE("foreign histograms keep count and sum, and their quantiles within a bucket") {
  const auto parse = [](const std::string& text) { return ParseExposition(text, false); };
  ParsedExposition parsed = parse(
      "# TYPE d histogram\n"
      "d_bucket{le=\"0.005\",a=\"b\"} 10\nd_bucket{a=\"b\",le=\"0.3\"} 90\n"
      "d_bucket{a=\"b\",le=\"+Inf\"} 100\nd_sum{a=\"b\"} 12.5\nd_count{a=\"b\"} 100\n");
  CHECK(parsed.error.empty());
  const metrics::Sample sample = Family(parsed.snapshot, "d").samples.at(0);
  CHECK(sample.labels == metrics::Labels{{"a", "b"}});
  REQUIRE(sample.histogram);
  CHECK(sample.histogram->Count() == 100);
  CHECK(sample.histogram->sum == 12.5);
  CHECK(sample.histogram->Quantile(0.05) == doctest::Approx(0.005));
  CHECK(sample.histogram->Quantile(0.5) == doctest::Approx(0.315));  // our next bound
  CHECK(std::isinf(sample.histogram->Quantile(0.99)));
  // Counts that fall are no cumulative ones; without a count there is no histogram.
  parsed = parse(
      "# TYPE d histogram\nd_bucket{le=\"1\"} 10\nd_bucket{le=\"2\"} 9\nd_count 10\n"
      "# TYPE e histogram\ne_bucket{le=\"1\"} 10\ne_sum 4\n");
  CHECK(parsed.error.empty());
  CHECK(parsed.left_out == 2);
  CHECK(parsed.snapshot.families.empty());
  // A bucket without a bound, and a bound on what is no bucket, are left out.
  parsed = parse("# TYPE d histogram\nd_bucket 1\nd_bucket{le=\"x\"} 1\nd_count{le=\"1\"} 1\n");
  CHECK(parsed.error.empty());
  CHECK(parsed.left_out == 3);
  // Bounds of any size and sign are put somewhere.
  parsed = parse(
      "# TYPE d histogram\nd_bucket{le=\"-5\"} 1\nd_bucket{le=\"1e-300\"} 2\n"
      "d_bucket{le=\"1e+300\"} 3\nd_count 4\n");
  CHECK(Family(parsed.snapshot, "d").samples.at(0).histogram->Count() == 4);
}

TEST_CASE("numbers as Go writes them") {
  CHECK(ReadGoNumber("+1.5e3").value() == 1500);
  CHECK(ReadGoNumber("-Inf").value() < 0);
  CHECK(std::isnan(ReadGoNumber("NaN").value()));
  CHECK(ReadGoNumber("1e999").value() > 0);
  CHECK(ReadGoNumber("1e-999").value() == 0);
  for (const char* bad : {"", "+", "--1", "1.5.2", "1e", "infinit", "0x10", " 1", "1 "}) {
    CAPTURE(bad);
    CHECK_FALSE(ReadGoNumber(bad));
  }
}

TEST_CASE("what is merged carries its target, and never hides what was there") {
  metrics::MetricsSnapshot all =
      ParseExposition("# TYPE a gauge\na 1\n# TYPE c counter\nc 2\n", false).snapshot;
  const ParsedExposition more =
      ParseExposition("# TYPE a gauge\na{target=\"x\"} 5\n# TYPE c gauge\nc 6\nb 7\n", false);
  MergeSnapshot(all, more.snapshot, "target", "web");
  REQUIRE(Family(all, "a").samples.size() == 2);
  CHECK(Family(all, "a").samples[1].labels ==
        metrics::Labels{{"exported_target", "x"}, {"target", "web"}});
  CHECK(Family(all, "b").samples.at(0).labels == metrics::Labels{{"target", "web"}});
  CHECK(Family(all, "c").samples.size() == 1);
  REQUIRE(all.errors.size() == 1);
  CHECK(all.errors[0].find("another type") != std::string::npos);
}

TEST_CASE("a label that has to give way takes no other's name") {
  metrics::MetricsSnapshot all;
  const ParsedExposition more = ParseExposition("a{target=\"x\",exported_target=\"y\"} 5\n", false);
  MergeSnapshot(all, more.snapshot, "target", "web");
  CHECK(Family(all, "a").samples.at(0).labels == metrics::Labels{{"exported_exported_target", "x"},
                                                                 {"exported_target", "y"},
                                                                 {"target", "web"}});
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/summary.hpp"

#include <doctest/doctest.h>

namespace perf::stats {

TEST_CASE("summary: microseconds become milliseconds") {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.Record(i);
  const Summary summary = Summarize(histogram);
  CHECK(summary.count == 1000);
  CHECK(summary.min == 0.001);
  CHECK(summary.mean == 0.5005);
  CHECK(summary.p50 == 0.5);
  CHECK(summary.p90 == 0.9);
  CHECK(summary.p95 == 0.95);
  CHECK(summary.p99 == 0.99);
  CHECK(summary.p999 == 0.999);
  CHECK(summary.max == 1.0);
}

TEST_CASE("summary: the members have the contract's names and order") {
  Histogram histogram;
  histogram.Record(12'345);
  CHECK(ToJson(Summarize(histogram)).Dump() ==
        R"({"count":1,"min_ms":12.345,"mean_ms":12.345,"p50_ms":12.345,"p90_ms":12.345,)"
        R"("p95_ms":12.345,"p99_ms":12.345,"p999_ms":12.345,"max_ms":12.345})");
}

TEST_CASE("summary: the unit is the caller's") {
  Histogram nanoseconds({1, 60'000'000'000, 3});
  nanoseconds.Record(1'500'000);
  CHECK(Summarize(nanoseconds, 1e6).max == 1.5);
}

TEST_CASE("summary: without values all is zero") { CHECK(Summarize(Histogram()) == Summary{}); }

}  // namespace perf::stats

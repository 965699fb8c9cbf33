// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/family.hpp"

#include <doctest/doctest.h>

#include <string>

#include "libperf/base/error.hpp"

namespace perf::metrics {
namespace {

FamilySpec Spec(std::string name, Type type = Type::kGauge, std::string unit = "") {
  return FamilySpec{std::move(name), "help", type, std::move(unit), false};
}

TEST_CASE("metric names that keep the rules") {
  CHECK_NOTHROW(CheckSpec(Spec("perfkit_pool_connections")));
  CHECK_NOTHROW(CheckSpec(Spec("perfkit_pool_timeouts_total", Type::kCounter)));
  CHECK_NOTHROW(
      CheckSpec(Spec("perfkit_pool_connection_wait_seconds", Type::kHistogram, "seconds")));
  CHECK_NOTHROW(CheckSpec(Spec("process_cpu_seconds_total", Type::kCounter, "seconds")));
  CHECK_NOTHROW(CheckSpec(Spec("perfkit_build_info")));
}

TEST_CASE("metric names that break a rule say so") {
  for (const FamilySpec& spec :
       {Spec(""), Spec("pool_connections"), Spec("perfkit_Pool"), Spec("perfkit:pool"),
        Spec("perfkit_pool connections"), Spec("9perfkit_x"), Spec("perfkit_\xc3\xa9"),
        Spec("perfkit_pool", Type::kCounter), Spec("perfkit_pool_total"),
        Spec("perfkit_pool_count"), Spec("perfkit_pool_sum", Type::kHistogram),
        Spec("perfkit_pool_bucket"), Spec("perfkit_pool_created"),
        Spec("perfkit_created_total", Type::kCounter), Spec("perfkit_wait_ms"),
        Spec("perfkit_wait_milliseconds"), Spec("perfkit_wait_histogram", Type::kHistogram),
        Spec("perfkit_wait", Type::kHistogram, "seconds"),
        Spec("perfkit_seconds_wait_total", Type::kCounter, "seconds")}) {
    CAPTURE(spec.name);
    CHECK_THROWS_AS(CheckSpec(spec), Error);
  }
  FamilySpec silent = Spec("perfkit_pool");
  silent.help.clear();
  CHECK_THROWS_AS(CheckSpec(silent), Error);
}

TEST_CASE("a foreign name is held against the syntax only") {
  FamilySpec spec = Spec("hikaricp_connection_usage_millis", Type::kSummary);
  CHECK_THROWS_AS(CheckSpec(spec), Error);
  spec.foreign = true;
  CHECK_NOTHROW(CheckSpec(spec));
  spec.name = "hikaricp.connections";
  CHECK_THROWS_AS(CheckSpec(spec), Error);
}

TEST_CASE("label names") {
  const FamilySpec histogram = Spec("perfkit_x_seconds", Type::kHistogram, "seconds");
  CHECK_NOTHROW(CheckLabelNames(histogram, {"pool", "backend", "_x1"}));
  CHECK_NOTHROW(CheckLabelNames(Spec("perfkit_x"), {"le"}));
  CHECK_THROWS_AS(CheckLabelNames(histogram, {"le"}), Error);
  CHECK_THROWS_AS(CheckLabelNames(Spec("perfkit_x", Type::kSummary), {"quantile"}), Error);
  CHECK_THROWS_AS(CheckLabelNames(histogram, {"pool", "pool"}), Error);
  CHECK_THROWS_AS(CheckLabelNames(histogram, {""}), Error);
  CHECK_THROWS_AS(CheckLabelNames(histogram, {"__name__"}), Error);
  CHECK_THROWS_AS(CheckLabelNames(histogram, {"a-b"}), Error);
  CHECK_THROWS_AS(CheckLabelNames(histogram, {"1a"}), Error);
}

}  // namespace
}  // namespace perf::metrics

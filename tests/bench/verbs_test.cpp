// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "libperf/base/error.hpp"
#include "libperf/bench/pool_verbs.hpp"

using namespace perf;
using namespace perf::bench;

namespace {

/// Every check of a result, by what it says; those about time are left to the program's user.
void CheckAll(const load::Result& result) {
  REQUIRE_FALSE(result.thresholds.empty());
  for (const load::ThresholdResult& check : result.thresholds) {
    if (check.unit == "ms") continue;
    INFO(check.expr << ", observed " << check.observed.value_or(-1));
    CHECK(check.ok);
  }
}

}  // namespace

TEST_CASE("leak: reported once, with the place of the borrower") {
  LeakOptions options;
  options.hold = std::chrono::milliseconds(60);
  options.threshold = std::chrono::milliseconds(30);
  const load::Result result = PoolLeak(options, Context{});
  CheckAll(result);
  REQUIRE(result.bench);
  REQUIRE(result.bench->rows.size() == 1);
  CHECK(result.bench->rows[0].Find("file")->AsString() == "pool_leak.cpp");
  CHECK(result.bench->rows[0].Find("line")->AsInt() > 0);
  CHECK(result.bench->rows[0].Find("age_ms")->AsDouble() >= 30);
}

TEST_CASE("leak: none is reported where nobody holds for too long") {
  LeakOptions options;
  options.hold = std::chrono::milliseconds(1);
  options.threshold = std::chrono::minutes(1);
  options.patience = std::chrono::milliseconds(50);
  const load::Result result = PoolLeak(options, Context{});
  CheckAll(result);
  CHECK(result.bench->rows.empty());
}

TEST_CASE("exhaust: every cause by its own name") {
  for (const std::string& cause : ExhaustCauses()) {
    CAPTURE(cause);
    ExhaustOptions options;
    options.causes = {cause};
    const load::Result result = PoolExhaust(options, Context{});
    CheckAll(result);
    CHECK_FALSE(result.bench->rows.at(0).Find("text")->AsString().empty());
  }
  ExhaustOptions unknown;
  unknown.causes = {"bored"};
  CHECK_THROWS_AS(PoolExhaust(unknown, Context{}), UsageError);
}

TEST_CASE("pause: nothing is lent until resume, and then everybody goes on") {
  PauseOptions options;
  options.drain = std::chrono::seconds(20);
  CheckAll(PoolPause(options, Context{}));
}

TEST_CASE("fork: the child is refused and the parent's connection is left alone") {
  CheckAll(PoolFork(Context{}));
}

TEST_CASE("spike: dials stay within their bound and nobody fails") {
  SpikeOptions options;
  options.connect = std::chrono::milliseconds(5);
  options.query = std::chrono::milliseconds(1000);
  const load::Result result = PoolSpike(options, Context{});
  CheckAll(result);
  CHECK(result.bench->rows.at(0).Find("connections_at_end")->AsInt() == 50);
}

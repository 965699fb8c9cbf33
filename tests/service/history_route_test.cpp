// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/history_route.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "libperf/base/error.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

const monitor::WallTime kNow{std::chrono::sys_days{std::chrono::November / 30 / 2026} + 21h};

monitor::HistoryQuery Query(const std::string& parameters) {
  Request request;
  REQUIRE(TakeTarget("/performance/metrics/history?" + parameters, request));
  return HistoryQueryOf(request, kNow);
}

std::string ErrorOf(const std::string& parameters) {
  try {
    Query(parameters);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("history route: times, steps and labels") {
  const auto plain = Query("metric=perfkit_pool_pending_requests");
  CHECK(plain.metric == "perfkit_pool_pending_requests");
  CHECK(plain.from == kNow - 1h);
  CHECK(plain.to == kNow);
  CHECK(plain.step == 0s);
  CHECK_FALSE(plain.merged);
  struct Row {
    const char* text;
    monitor::WallTime at;
  };
  for (const Row& row : {Row{"2026-11-30T20:45:07Z", kNow - 14min - 53s},
                         {"2026-11-30T20:45:07%2B00:00", kNow - 14min - 53s},
                         {"1796072400", kNow},
                         {"0", monitor::WallTime{}},
                         {"90m", kNow - 90min},
                         {"7h30m", kNow - 7h - 30min}}) {
    CAPTURE(row.text);
    CHECK(Query(std::string("metric=m&from=") + row.text).from == row.at);
    CHECK(Query(std::string("metric=m&to=") + row.text).to == row.at);
  }
  const auto all = Query(
      "metric=m&step=1500ms&agg=p99&max_points=7&merged=true&labels=pool%3Dredis,backend%3Dredis");
  CHECK(all.step == 2s);
  CHECK(all.aggregate == monitor::ParseAggregate("p99"));
  CHECK(all.max_points == 7);
  CHECK(all.merged);
  CHECK(all.labels == metrics::Labels{{"pool", "redis"}, {"backend", "redis"}});
}

TEST_CASE("history route: what cannot be asked names the parameter") {
  struct Row {
    const char* parameters;
    const char* error;
  };
  for (const Row& row : {Row{"", "metric: "},
                         {"metric=", "metric: "},
                         {"metric=m&from=yesterday", "from: "},
                         {"metric=m&to=-1", "to: "},
                         {"metric=m&to=1e300", "to: "},
                         {"metric=m&to=253402300799", "to: "},  // no clock counts so far
                         {"metric=m&from=9999-12-31T23:59:59Z", "from: "},
                         {"metric=m&from=2026-11-30T20:45:07", "from: "},
                         {"metric=m&step=10ms", "step: "},
                         {"metric=m&step=x", "step: "},
                         {"metric=m&max_points=0", "max_points: "},
                         {"metric=m&max_points=100001", "max_points: "},
                         {"metric=m&labels=pool", "labels: "}}) {
    CAPTURE(row.parameters);
    CHECK(ErrorOf(row.parameters).find(row.error) == 0);
  }
  CHECK_FALSE(ErrorOf("metric=m&agg=median").empty());
}

}  // namespace
}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/utc.hpp"

#include <doctest/doctest.h>

namespace perf {
namespace {

using namespace std::chrono_literals;
using WallMillis = std::chrono::sys_time<std::chrono::milliseconds>;

TEST_CASE("utc: times are written and read as RFC 3339") {
  CHECK(ToRfc3339(WallMillis(1'700'000'040'250ms)) == "2023-11-14T22:14:00.250Z");
  CHECK(ParseRfc3339("2023-11-14T22:14:00.250Z") == WallMillis(1'700'000'040'250ms));
  CHECK(ParseRfc3339("2023-11-14T23:14:00.2504+01:00") == WallMillis(1'700'000'040'250ms));
  CHECK(ParseRfc3339("2023-11-14T21:44:00-00:30") == WallMillis(1'700'000'040'000ms));
  for (const char* bad : {"", "2023-11-14", "2023-13-14T22:14:00Z", "2023-02-30T22:14:00Z",
                          "2023-11-14T22:14:00", "2023-11-14T22:14:00Zx", "2023-11-14T25:14:00Z"}) {
    CAPTURE(bad);
    CHECK(!ParseRfc3339(bad));
  }
}

}  // namespace
}  // namespace perf

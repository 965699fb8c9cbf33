// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/level.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace perf::monitor {
namespace {

TEST_CASE("level: both spellings are read, anything else is not") {
  for (const Level level : {Level::kOk, Level::kInfo, Level::kWarning, Level::kCritical}) {
    CHECK(ParseLevel(Name(level)) == level);
    CHECK(ParseLevel(LabelValue(level)) == level);
  }
  CHECK(!ParseLevel("Warning"));
  CHECK(!ParseLevel(""));
}

TEST_CASE("level: the greater one is the worse") {
  CHECK(std::max({Level::kInfo, Level::kCritical, Level::kWarning}) == Level::kCritical);
  CHECK(std::max(Level::kOk, Level::kInfo) == Level::kInfo);
}

}  // namespace
}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/policy.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace perf::cache;

TEST_CASE("ids become hashes of which none collide and all bits vary") {
  std::set<std::uint64_t> seen, tops;
  for (std::uint64_t id = 0; id < 10000; ++id) {
    seen.insert(MixId(id));
    tops.insert(MixId(id) >> 52);
  }
  CHECK(seen.size() == 10000);
  CHECK(tops.size() > 3500);
}

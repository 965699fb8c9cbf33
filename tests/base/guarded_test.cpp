// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/guarded.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

namespace perf {

TEST_CASE("guarded: no increment of several threads is lost") {
  Guarded<std::vector<int>> guarded(std::size_t{3}, 0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&guarded] {
        for (int i = 0; i < 5000; ++i) {
          auto access = guarded.Lock();
          ++(*access)[1];
        }
      });
    }
  }
  auto access = guarded.Lock();
  CHECK(access->size() == 3);
  CHECK((*access)[1] == 20'000);
}

}  // namespace perf

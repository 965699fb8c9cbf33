// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slot_queue.hpp"

#include <doctest/doctest.h>

#include "libperf/audio/streams.hpp"

using namespace perf::audio;

TEST_CASE("smoke") {
  Streams streams;
  auto opened = streams.Open({});
  REQUIRE(opened);
  Stream& s = *opened.stream;
  for (int i = 0; i < 10; ++i) {
    std::byte* p = s.BeginWrite();
    REQUIRE(p != nullptr);
    p[0] = std::byte(i);
    s.CommitWrite();
  }
  CHECK(s.BeginWrite() == nullptr);
  for (int i = 0; i < 10; ++i) {
    auto p = s.Peek();
    REQUIRE(p.size() == 960);
    CHECK(p[0] == std::byte(i));
    s.Pop();
  }
  CHECK(s.Peek().empty());
}

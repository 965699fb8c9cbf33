// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/series.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace perf::stats {
namespace {

/// Remembers the order of what was merged into it.
struct Trace {
  std::vector<int> ticks;
  void Merge(const Trace& later) {
    ticks.insert(ticks.end(), later.ticks.begin(), later.ticks.end());
  }
};

/// The naive version: all ticks, cut into the shortest power of two that fits.
std::vector<std::vector<int>> Model(int ticks, std::size_t capacity, int& step) {
  step = 1;
  while ((static_cast<std::size_t>(ticks) + static_cast<std::size_t>(step) - 1) /
             static_cast<std::size_t>(step) >
         capacity) {
    step *= 2;
  }
  std::vector<std::vector<int>> points;
  for (int i = 0; i < ticks; ++i) {
    if (i % step == 0) points.emplace_back();
    points.back().push_back(i);
  }
  return points;
}

struct Sum {
  long value = 0;
  void Merge(const Sum& later) { value += later.value; }
};

}  // namespace

TEST_CASE("series: agrees with the naive version after every tick") {
  for (const std::size_t capacity : {2u, 3u, 4u, 5u, 7u, 8u, 13u}) {
    TimeSeries<Trace> series(std::chrono::seconds(1), capacity);
    for (int tick = 0; tick < 200; ++tick) {
      series.Add(Trace{{tick}});
      int step = 0;
      const auto expected = Model(tick + 1, capacity, step);
      CAPTURE(capacity);
      CAPTURE(tick);
      REQUIRE(series.Step() == std::chrono::seconds(step));
      REQUIRE(series.Points().size() == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        REQUIRE(series.Points()[i].ticks == expected[i]);
      }
    }
  }
}

TEST_CASE("series: an hour is kept second by second, a day in at most 3,600 points") {
  TimeSeries<Sum> series;
  CHECK(series.Points().empty());
  CHECK(series.Step() == std::chrono::seconds(1));
  for (int i = 0; i < 3600; ++i) series.Add(Sum{1});
  CHECK(series.Points().size() == 3600);
  CHECK(series.Step() == std::chrono::seconds(1));
  series.Add(Sum{1});
  CHECK(series.Points().size() == 1801);
  CHECK(series.Step() == std::chrono::seconds(2));
  for (int i = 3601; i < 86'400; ++i) series.Add(Sum{1});
  CHECK(series.Step() == std::chrono::seconds(32));
  CHECK(series.Points().size() == 2700);
  long total = 0;
  for (const Sum& point : series.Points()) total += point.value;
  CHECK(total == 86'400);
}

}  // namespace perf::stats

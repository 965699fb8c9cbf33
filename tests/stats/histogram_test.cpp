// SPDX-License-Identifier: Apache-2.0
#include "libperf/stats/histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

namespace perf::stats {
namespace {

using Draw = std::function<std::int64_t(Random&)>;
struct Source {
  std::string name;
  Draw draw;
};

std::vector<Source> Sources() {
  return {
      {"uniform", [](Random& random) { return random.Int(0, 1'000'000); }},
      {"small", [](Random& random) { return random.Int(0, 3000); }},
      {"lognormal",
       [](Random& random) { return static_cast<std::int64_t>(800 * std::exp(random.Normal())); }},
      {"exponential",
       [](Random& random) { return static_cast<std::int64_t>(5e6 * random.Exponential()); }},
      {"two peaks",
       [](Random& random) {
         return random.Unit() < 0.95 ? random.Int(900, 1100) : random.Int(1'999'000, 2'001'000);
       }},
      {"all powers", [](Random& random) { return std::int64_t{1} << random.Int(0, 31); }},
      {"pareto",
       [](Random& random) {
         return static_cast<std::int64_t>(
             std::min(3.5e9, 100 / std::pow(1 - random.Unit(), 1 / 0.8)));
       }},
  };
}

/// The value at the rank that ValueAtQuantile documents.
std::int64_t Oracle(const std::vector<std::int64_t>& sorted, double q) {
  const double exact = std::nextafter(q * static_cast<double>(sorted.size()), 0.0);
  const auto rank = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(exact)));
  return sorted[rank - 1];
}

constexpr double kQuantiles[] = {0.001, 0.01, 0.1,  0.25,  0.5,    0.75,
                                 0.9,   0.95, 0.99, 0.999, 0.9999, 0.99999};

bool SameContent(const Histogram& a, const Histogram& b) {
  if (a.Count() != b.Count() || a.Saturated() != b.Saturated() || a.Min() != b.Min() ||
      a.Max() != b.Max() || a.Mean() != b.Mean() || a.BucketCount() != b.BucketCount()) {
    return false;
  }
  for (std::size_t i = 0; i < a.BucketCount(); ++i) {
    if (a.CountAt(i) != b.CountAt(i)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("histogram: quantiles lie within the resolution of those of the sorted values") {
  for (const Source& source : Sources()) {
    for (const int size : {1, 2, 10, 999, 20'000}) {
      CAPTURE(source.name);
      CAPTURE(size);
      Random random(42);
      Histogram histogram;
      std::vector<std::int64_t> values;
      for (int i = 0; i < size; ++i) {
        values.push_back(source.draw(random));
        histogram.Record(values.back());
      }
      std::sort(values.begin(), values.end());
      for (const double q : kQuantiles) {
        const std::int64_t exact = Oracle(values, q);
        const std::int64_t found = histogram.ValueAtQuantile(q);
        CHECK(found >= exact);
        CHECK(static_cast<double>(found - exact) <= static_cast<double>(exact) * 1e-3);
        CHECK(found <= values.back());
      }
      CHECK(histogram.Min() == values.front());
      CHECK(histogram.Max() == values.back());
      CHECK(histogram.ValueAtQuantile(0) == values.front());
      CHECK(histogram.ValueAtQuantile(1) == values.back());
      const double sum = std::accumulate(values.begin(), values.end(), 0.0);
      CHECK(histogram.Mean() == doctest::Approx(sum / size).epsilon(1e-12));
    }
  }
}

TEST_CASE("histogram: the rank of a quantile is exact where floating point is not") {
  Histogram histogram;
  for (int i = 1; i <= 10; ++i) histogram.Record(i);
  CHECK(histogram.ValueAtQuantile(0.9) == 9);
  CHECK(histogram.ValueAtQuantile(0.7) == 7);
  CHECK(histogram.ValueAtQuantile(0.91) == 10);
  CHECK(histogram.ValueAtQuantile(0.1) == 1);
  CHECK(histogram.ValueAtQuantile(1e-12) == 1);
}

TEST_CASE("histogram: every bucket border maps to its own bucket, without gap or overlap") {
  for (const HistogramConfig& config :
       {HistogramConfig{}, HistogramConfig{1, 1000, 1}, HistogramConfig{1000, 60'000'000'000, 2},
        HistogramConfig{7, 1 << 20, 4}}) {
    const Histogram histogram(config);
    std::int64_t expected = 0;
    for (std::size_t i = 0; i < histogram.BucketCount(); ++i) {
      REQUIRE(histogram.LowestAt(i) == expected);
      REQUIRE(histogram.IndexOf(histogram.LowestAt(i)) == i);
      REQUIRE(histogram.IndexOf(histogram.HighestAt(i)) == i);
      expected = histogram.HighestAt(i) + 1;
    }
    CHECK(expected > config.highest);
  }
}

TEST_CASE("histogram: bucket width keeps the promised digits") {
  for (int digits = 1; digits <= 5; ++digits) {
    const Histogram histogram({1, 3'600'000'000, digits});
    for (std::size_t i = 1; i < histogram.BucketCount(); ++i) {
      const auto low = static_cast<double>(histogram.LowestAt(i));
      const auto width = static_cast<double>(histogram.HighestAt(i) - histogram.LowestAt(i));
      REQUIRE(width <= low * std::pow(10.0, -digits));
    }
  }
}

TEST_CASE("histogram: an empty one answers with zeros") {
  const Histogram histogram;
  CHECK(histogram.Count() == 0);
  CHECK(histogram.Min() == 0);
  CHECK(histogram.Max() == 0);
  CHECK(histogram.Mean() == 0);
  CHECK(histogram.StdDev() == 0);
  CHECK(histogram.ValueAtQuantile(0.5) == 0);
  CHECK(histogram.CountAtOrBelow(100) == 0);
  int buckets = 0;
  histogram.ForEachBucket([&](std::int64_t, std::int64_t, std::uint64_t) { ++buckets; });
  CHECK(buckets == 0);
}

TEST_CASE("histogram: values outside the range are clamped, and those above are counted") {
  Histogram histogram;
  histogram.Record(-5);
  histogram.Record(std::numeric_limits<std::int64_t>::min());
  CHECK(histogram.Min() == 0);
  CHECK(histogram.Max() == 0);
  CHECK(histogram.Saturated() == 0);
  histogram.Record(3'600'000'000);
  CHECK(histogram.Saturated() == 0);
  histogram.Record(3'600'000'001);
  histogram.Record(std::numeric_limits<std::int64_t>::max(), 2);
  CHECK(histogram.Saturated() == 3);
  CHECK(histogram.Max() == 3'600'000'000);
  CHECK(histogram.Count() == 6);
  CHECK(histogram.ValueAtQuantile(0.99) == 3'600'000'000);
  CHECK(histogram.CountAtOrBelow(0) == 2);
  CHECK(histogram.CountAtOrBelow(-1) == 0);
  CHECK(histogram.CountAtOrBelow(std::numeric_limits<std::int64_t>::max()) == 6);
  CHECK(histogram.Mean() == doctest::Approx(4 * 3.6e9 / 6));
}

TEST_CASE("histogram: recording nothing changes nothing") {
  Histogram histogram;
  histogram.Record(7, 0);
  CHECK(histogram.Count() == 0);
  CHECK(histogram.Max() == 0);
}

TEST_CASE("histogram: merging parts equals recording the whole") {
  for (const Source& source : Sources()) {
    CAPTURE(source.name);
    Random random(7);
    Histogram whole;
    std::vector<Histogram> parts(5);
    for (int i = 0; i < 5000; ++i) {
      const std::int64_t value = source.draw(random);
      whole.Record(value);
      parts[static_cast<std::size_t>(random.Int(0, 3))].Record(value);  // the fifth stays empty
    }
    Histogram merged;
    for (const Histogram& part : parts) merged.Merge(part);
    CHECK(SameContent(merged, whole));
    Histogram empty_last = whole;
    empty_last.Merge(Histogram());
    CHECK(SameContent(empty_last, whole));
  }
}

TEST_CASE("histogram: merging with itself doubles every count") {
  Histogram histogram;
  histogram.Record(10);
  histogram.Record(5'000'000, 3);
  histogram.Merge(histogram);
  CHECK(histogram.Count() == 8);
  CHECK(histogram.CountAtOrBelow(10) == 2);
}

TEST_CASE("histogram: another range or resolution cannot be merged") {
  Histogram histogram;
  CHECK_THROWS_AS(histogram.Merge(Histogram({1, 3'600'000'000, 2})), Error);
  CHECK_THROWS_AS(histogram.Merge(Histogram({1, 3'600'000'001, 3})), Error);
}

TEST_CASE("histogram: reset forgets all and leaves nothing behind for the next values") {
  Random random(3);
  Histogram used;
  for (int i = 0; i < 1000; ++i) used.Record(random.Int(0, 4'000'000'000));
  const std::size_t memory = used.MemoryBytes();
  used.Reset();
  CHECK(SameContent(used, Histogram()));
  CHECK(used.MemoryBytes() == memory);
  used.Record(1234);
  Histogram fresh;
  fresh.Record(1234);
  CHECK(SameContent(used, fresh));
}

TEST_CASE("histogram: a copy is independent, a move keeps the values") {
  Histogram first;
  first.Record(50'000, 4);
  Histogram copy = first;
  copy.Record(1);
  CHECK(first.Count() == 4);
  CHECK(first.CountAtOrBelow(10) == 0);
  CHECK(copy.CountAtOrBelow(10) == 1);
  const Histogram moved = std::move(copy);
  CHECK(moved.Count() == 5);
  first = moved;
  CHECK(SameContent(first, moved));
}

TEST_CASE("histogram: counts at or below agree with the buckets") {
  Random random(11);
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 3000; ++i) {
    values.push_back(random.Int(0, 100'000));
    histogram.Record(values.back());
  }
  for (int i = 0; i < 200; ++i) {
    const std::int64_t limit = random.Int(0, 110'000);
    const std::int64_t reach =
        std::min(histogram.HighestAt(histogram.IndexOf(limit)), histogram.Max());
    const auto expected = std::count_if(values.begin(), values.end(), [&](std::int64_t value) {
      return value <= std::max(reach, limit);
    });
    CHECK(histogram.CountAtOrBelow(limit) == static_cast<std::uint64_t>(expected));
  }
  std::uint64_t total = 0;
  std::int64_t last = -1;
  histogram.ForEachBucket([&](std::int64_t low, std::int64_t high, std::uint64_t count) {
    CHECK(low > last);
    CHECK(count > 0);
    last = high;
    total += count;
  });
  CHECK(total == 3000);
}

TEST_CASE("histogram: deviation of known data") {
  Histogram histogram;
  for (const int value : {2, 4, 4, 4, 5, 5, 7, 9}) histogram.Record(value);
  CHECK(histogram.StdDev() == doctest::Approx(2.0));
  Random random(5);
  Histogram normal;
  for (int i = 0; i < 50'000; ++i) {
    normal.Record(static_cast<std::int64_t>(1e6 + 1e5 * random.Normal()));
  }
  CHECK(normal.StdDev() == doctest::Approx(1e5).epsilon(0.02));
  Histogram same;
  same.Record(123'456'789, 10);
  CHECK(same.StdDev() == 0);
}

TEST_CASE("histogram: the sum is exact beyond 64 bits") {
  Histogram histogram({1, std::int64_t{1} << 61, 1});
  histogram.Record(std::int64_t{1} << 61, 1000);
  CHECK(histogram.Mean() == std::ldexp(1.0, 61));
}

TEST_CASE("histogram: memory is bounded by the range, however many values there are") {
  Histogram histogram;
  const std::size_t empty = histogram.MemoryBytes();
  CHECK(empty < 4096);
  Random random(1);
  histogram.Record(250);
  CHECK(histogram.MemoryBytes() - empty <= 2048);
  for (int i = 0; i < 10'000; ++i) histogram.Record(random.Int(1000, 5000));
  CHECK(histogram.MemoryBytes() < 32 * 1024);
  for (int bits = 0; bits < 32; ++bits) {
    for (int i = 0; i < 2000; ++i) {
      histogram.Record((std::int64_t{1} << bits) + random.Int(0, std::int64_t{1} << bits));
    }
  }
  const std::size_t full = histogram.BucketCount() * sizeof(std::uint64_t) + empty;
  CHECK(histogram.MemoryBytes() <= full);
  const std::size_t before = histogram.MemoryBytes();
  for (int i = 0; i < 200'000; ++i) histogram.Record(random.Int(0, 4'000'000'000));
  CHECK(histogram.MemoryBytes() == before);
}

TEST_CASE("histogram: configurations outside the range are refused") {
  CHECK_THROWS_AS(Histogram({1, 1000, 0}), ConfigError);
  CHECK_THROWS_AS(Histogram({1, 1000, 6}), ConfigError);
  CHECK_THROWS_AS(Histogram({0, 1000, 3}), ConfigError);
  CHECK_THROWS_AS(Histogram({600, 1000, 3}), ConfigError);
  CHECK_THROWS_AS(Histogram({-5, 1000, 3}), ConfigError);
  CHECK_THROWS_AS(Histogram({1, std::numeric_limits<std::int64_t>::max(), 1}), ConfigError);
  CHECK_THROWS_AS(Histogram({1, std::int64_t{1} << 62, 5}), ConfigError);
  CHECK_THROWS_AS(Histogram({std::int64_t{1} << 60, std::int64_t{1} << 62, 3}), ConfigError);
  CHECK_NOTHROW(Histogram({1, std::int64_t{1} << 62, 3}));
  CHECK_NOTHROW(Histogram({1, 2, 1}));
}

}  // namespace perf::stats

// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/log_histogram.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

namespace perf::metrics {
namespace {

using namespace std::chrono_literals;

/// The bucket in which the only value of a histogram lies.
std::size_t BucketOf(std::uint64_t value, const Buckets& buckets) {
  LogHistogram histogram(buckets);
  histogram.Observe(value);
  const HistogramSnapshot snapshot = histogram.Snapshot();
  REQUIRE(snapshot.Count() == 1);
  std::size_t index = 0;
  while (snapshot.counts[index] == 0) ++index;
  return index;
}

TEST_CASE("log histogram counts each value at the first bound that it does not exceed") {
  for (const Buckets& buckets : {kSeconds, kByteSizes, kRatios, Buckets{0, 0, 12}}) {
    const double unit = std::pow(10.0, buckets.unit);
    Random random(3);
    for (int i = 0; i < 20'000; ++i) {
      const auto value = static_cast<std::uint64_t>(std::exp(random.Unit() * 43));
      const std::size_t bucket = BucketOf(value, buckets);
      const double real = static_cast<double>(value) * unit;
      CAPTURE(value);
      REQUIRE(real <= buckets.Bound(bucket) * (1 + 1e-12));
      if (bucket > 0) REQUIRE(real > buckets.Bound(bucket - 1) * (1 - 1e-12));
    }
  }
}

TEST_CASE("log histogram's bounds are inclusive and have short decimal forms") {
  CHECK(BucketOf(1'000, kSeconds) == 0);
  CHECK(BucketOf(1'001, kSeconds) == 1);
  CHECK(BucketOf(1'250, kSeconds) == 1);
  CHECK(BucketOf(0, kSeconds) == 0);
  CHECK(BucketOf(100'000'000'000, kSeconds) == 80);
  CHECK(BucketOf(100'000'000'001, kSeconds) == 81);
  CHECK(BucketOf(std::numeric_limits<std::uint64_t>::max(), kSeconds) == 81);
  CHECK(kSeconds.Bounds() == 81);
  CHECK(kSeconds.Bound(0) == 1e-6);
  CHECK(kSeconds.Bound(5) == 3.15e-6);
  CHECK(kSeconds.Bound(33) == 0.002);
  CHECK(kSeconds.Bound(80) == 100.0);
  CHECK(std::isinf(kSeconds.Bound(81)));
  CHECK(kByteSizes.Bound(100) == 1e11);
  CHECK(kRatios.Bound(0) == 0.001);
  CHECK(Buckets::Coarse(20));
  CHECK(Buckets::Coarse(23));
  CHECK(Buckets::Coarse(27));
  CHECK_FALSE(Buckets::Coarse(25));
}

TEST_CASE("log histogram sums in the unit and tells quantiles") {
  LogHistogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.Observe(std::chrono::milliseconds(i));
  histogram.Observe(-5ms);
  const HistogramSnapshot snapshot = histogram.Snapshot();
  CHECK(snapshot.Count() == 1001);
  CHECK(snapshot.sum == doctest::Approx(500.5));
  CHECK(snapshot.Quantile(0.5) == 0.5);
  CHECK(snapshot.Quantile(0.99) == 1.0);
  CHECK(snapshot.Quantile(0) == 1e-6);
  CHECK(std::isnan(LogHistogram().Snapshot().Quantile(0.5)));
}

TEST_CASE("log histogram loses nothing between threads") {
  LogHistogram histogram;
  constexpr std::uint64_t kThreads = 4, kTimes = 30'000;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&histogram] {
      for (std::uint64_t i = 0; i < kTimes; ++i) histogram.Observe(i * 1'000);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const HistogramSnapshot snapshot = histogram.Snapshot();
  CHECK(snapshot.Count() == kThreads * kTimes);
  CHECK(snapshot.sum == doctest::Approx(kThreads * (kTimes * (kTimes - 1) / 2) * 1e-6));
}

TEST_CASE("log histogram refuses buckets out of range") {
  CHECK_THROWS_AS(LogHistogram(Buckets{-9, 0, 13}), Error);
  CHECK_THROWS_AS(LogHistogram(Buckets{-9, 10, 9}), Error);
  CHECK_THROWS_AS(LogHistogram(Buckets{-9, 0, 0}), Error);
  CHECK_THROWS_AS(LogHistogram(Buckets{-20, 0, 5}), Error);
}

}  // namespace
}  // namespace perf::metrics

// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "libperf/base/error.hpp"

namespace perf {

TEST_CASE("random: the numbers of the published algorithm") {
  Random random(0);
  CHECK(random.Next() == 5987356902031041503u);
  CHECK(random.Next() == 7051070477665621255u);
  CHECK(random.Next() == 6633766593972829180u);
  CHECK(random.Next() == 211316841551650330u);
}

TEST_CASE("random: forks are repeatable and differ from each other and from their parent") {
  std::set<std::uint64_t> first_numbers;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    first_numbers.insert(Random(seed).Next());
    for (std::uint64_t stream = 0; stream < 50; ++stream) {
      CHECK(Random(seed).Fork(stream).Next() == Random(seed).Fork(stream).Next());
      first_numbers.insert(Random(seed).Fork(stream).Next());
      first_numbers.insert(Random(seed).Fork(stream).Fork(stream).Next());
    }
  }
  CHECK(first_numbers.size() == 20 * 101);
  Random used(1);
  used.Next();
  CHECK(used.Fork(3).Next() == Random(1).Fork(3).Next());
}

TEST_CASE("random: integers keep to their range, borders included, and are even") {
  Random random(1);
  std::vector<int> seen(6);
  constexpr int kDraws = 60'000;
  for (int i = 0; i < kDraws; ++i) {
    const std::int64_t value = random.Int(-2, 3);
    REQUIRE(value >= -2);
    REQUIRE(value <= 3);
    ++seen[static_cast<std::size_t>(value + 2)];
  }
  for (const int count : seen) CHECK(std::abs(count - kDraws / 6) < 5 * std::sqrt(kDraws / 6));
  CHECK(random.Int(7, 7) == 7);
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHigh = std::numeric_limits<std::int64_t>::max();
  bool negative = false;
  bool positive = false;
  for (int i = 0; i < 100; ++i) {
    const std::int64_t value = random.Int(kLow, kHigh);
    negative = negative || value < 0;
    positive = positive || value > 0;
    CHECK(random.Int(kLow, kLow + 1) <= kLow + 1);
    CHECK(random.Int(kHigh - 1, kHigh) >= kHigh - 1);
  }
  CHECK(negative);
  CHECK(positive);
}

TEST_CASE("random: means and variances of the distributions") {
  Random random(2);
  constexpr int kDraws = 200'000;
  double unit = 0;
  double exponential = 0;
  double normal = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.Unit();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    unit += u;
    const double e = random.Exponential();
    REQUIRE(e >= 0);
    exponential += e;
    const double n = random.Normal();
    normal += n;
    squares += n * n;
  }
  CHECK(unit / kDraws == doctest::Approx(0.5).epsilon(0.01));
  CHECK(exponential / kDraws == doctest::Approx(1).epsilon(0.01));
  CHECK(std::abs(normal / kDraws) < 0.01);
  CHECK(squares / kDraws == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("zipf: frequencies are those of the definition") {
  for (const double s : {0.0, 0.5, 0.99, 1.0, 1.2, 3.0}) {
    for (const int n : {1, 2, 7, 100}) {
      CAPTURE(s);
      CAPTURE(n);
      double norm = 0;
      for (int k = 1; k <= n; ++k) norm += std::pow(k, -s);
      Random random(3);
      const Zipf zipf(n, s);
      std::vector<int> seen(static_cast<std::size_t>(n) + 1);
      constexpr int kDraws = 50'000;
      for (int i = 0; i < kDraws; ++i) {
        const std::int64_t k = zipf.Draw(random);
        REQUIRE(k >= 1);
        REQUIRE(k <= n);
        ++seen[static_cast<std::size_t>(k)];
      }
      for (int k = 1; k <= n; ++k) {
        const double expected = kDraws * std::pow(k, -s) / norm;
        CHECK(std::abs(seen[static_cast<std::size_t>(k)] - expected) < 5 * std::sqrt(expected) + 5);
      }
    }
  }
}

TEST_CASE("zipf: a huge range costs no table and is kept to") {
  Random random(4);
  for (const double s : {0.0, 0.5, 1.0, 1.5, 20.0}) {
    const std::int64_t n = 1'000'000'000'000;
    const Zipf zipf(n, s);
    std::int64_t largest = 0;
    for (int i = 0; i < 20'000; ++i) {
      const std::int64_t k = zipf.Draw(random);
      REQUIRE(k >= 1);
      REQUIRE(k <= n);
      largest = std::max(largest, k);
    }
    if (s <= 0.5) CHECK(largest > n / 2);
  }
  const Zipf widest(std::numeric_limits<std::int64_t>::max(), 0.0);
  for (int i = 0; i < 1000; ++i) CHECK(widest.Draw(random) >= 1);
}

TEST_CASE("zipf: bad parameters are refused") {
  CHECK_THROWS_AS(Zipf(0, 1), ConfigError);
  CHECK_THROWS_AS(Zipf(-1, 1), ConfigError);
  CHECK_THROWS_AS(Zipf(10, -0.1), ConfigError);
  CHECK_THROWS_AS(Zipf(10, std::nan("")), ConfigError);
  CHECK_THROWS_AS(Zipf(10, std::numeric_limits<double>::infinity()), ConfigError);
}

}  // namespace perf

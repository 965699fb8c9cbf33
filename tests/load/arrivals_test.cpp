// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/arrivals.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"

namespace perf::load {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

std::vector<Arrivals::Arrival> All(const ArrivalPlan& plan, std::int64_t stride = 1,
                                   std::int64_t offset = 0) {
  Arrivals arrivals(plan, stride, offset);
  std::vector<Arrivals::Arrival> all;
  while (const auto arrival = arrivals.Next()) all.push_back(*arrival);
  CHECK_FALSE(arrivals.Next());
  return all;
}

ArrivalPlan Even(double from, double to, Duration length) {
  return {.from = from, .to = to, .length = length};
}

ArrivalPlan Poisson(double from, double to, Duration length, std::uint64_t seed) {
  return {.from = from, .to = to, .length = length, .spacing = Spacing::kPoisson, .seed = seed};
}

TEST_CASE("arrivals: a constant rate has the k-th at (k + 1/2) / R") {
  struct Case {
    double rate;
    Duration length;
    std::int64_t count;
    std::vector<Duration> first;
  };
  const Case cases[] = {
      {1, seconds(3), 3, {milliseconds(500), milliseconds(1500), milliseconds(2500)}},
      {1000, seconds(60), 60'000, {microseconds(500), microseconds(1500), microseconds(2500)}},
      {4, seconds(1), 4, {milliseconds(125), milliseconds(375), milliseconds(625)}},
      {0.25, seconds(10), 3, {seconds(2), seconds(6), seconds(10)}},  // round(2.5) is 3
      {0.1, seconds(4), 0, {}},
      {0.1, seconds(6), 1, {seconds(5)}},
      {0.3, seconds(5), 2, {}},  // 1.5
      {200, milliseconds(2502), 500, {}},
      {200, milliseconds(2503), 501, {}},
      {0, seconds(5), 0, {}},
      {100, seconds(0), 0, {}},
      {1e6, milliseconds(1), 1000, {nanoseconds(500), nanoseconds(1500)}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.rate);
    const auto all = All(Even(c.rate, c.rate, c.length));
    CHECK(static_cast<std::int64_t>(all.size()) == c.count);
    CHECK(Arrivals(Even(c.rate, c.rate, c.length)).Planned() == static_cast<double>(c.count));
    for (std::size_t i = 0; i < c.first.size() && i < all.size(); ++i) {
      CHECK(all[i].at == c.first[i]);
      CHECK(all[i].index == static_cast<std::int64_t>(i));
    }
  }
}

TEST_CASE("arrivals: a ramp has round((r0 + r1) / 2 * T), each where its integral says") {
  struct Case {
    double from, to;
    Duration length;
    std::int64_t count;
  };
  const Case cases[] = {
      {0, 200, seconds(20), 2000},
      {200, 0, seconds(20), 2000},
      {50, 200, seconds(20), 2500},
      {200, 50, seconds(20), 2500},
      {0, 1, seconds(1), 1},
      {0, 0.5, seconds(1), 0},
      {3, 4, seconds(1), 4},
      {1000, 1001, seconds(7), 7004},
      {0, 333, milliseconds(1500), 250},
      {1e-9, 100, seconds(3), 150},
  };
  for (const Case& c : cases) {
    CAPTURE(c.from);
    CAPTURE(c.to);
    const auto all = All(Even(c.from, c.to, c.length));
    CHECK(static_cast<std::int64_t>(all.size()) == c.count);
    const double length = static_cast<double>(c.length.count()) / 1e9;
    Duration last{-1};
    double worst = 0;
    for (const Arrivals::Arrival& arrival : all) {
      CHECK(arrival.at >= last);
      last = arrival.at;
      // Put back into the integral of the rate, the time must give k + 1/2: to within what one
      // nanosecond is worth.
      const double t = static_cast<double>(arrival.at.count()) / 1e9;
      const double integral = c.from * t + (c.to - c.from) / length * t * t / 2;
      worst = std::max(worst, std::abs(integral - static_cast<double>(arrival.index) - 0.5));
    }
    CHECK(worst < std::max(c.from, c.to) * 1e-9 + 1e-9);
    CHECK(last <= c.length);
  }
}

TEST_CASE("arrivals: a falling ramp mirrors the rising one to the nanosecond") {
  const auto rising = All(Even(0, 5000, seconds(10)));
  const auto falling = All(Even(5000, 0, seconds(10)));
  REQUIRE(rising.size() == 25'000);
  REQUIRE(falling.size() == rising.size());
  for (std::size_t i = 0; i < rising.size(); ++i) {
    const Duration mirrored = seconds(10) - falling[falling.size() - 1 - i].at;
    REQUIRE(std::abs((mirrored - rising[i].at).count()) <= 1);
  }
}

TEST_CASE("arrivals: no error accumulates over days at ten million a second") {
  const ArrivalPlan plan = Even(1e7, 1e7, hours(24 * 10));
  CHECK(Arrivals(plan).Planned() == 8.64e12);
  // Only the last loop of very many is asked, so that the end is reached at once.
  const std::int64_t stride = 8'640'000'000'000;
  Arrivals last(plan, stride, stride - 1);
  const auto arrival = last.Next();
  REQUIRE(arrival);
  CHECK(arrival->index == stride - 1);
  CHECK(std::abs((hours(24 * 10) - arrival->at - nanoseconds(50)).count()) <= 1);
  CHECK_FALSE(last.Next());

  // The last of a ramp down to zero: sqrt(2 * 1/2 / slope) before the end.
  const ArrivalPlan ramp = Even(1e7, 0, hours(24 * 10));
  Arrivals tail(ramp, stride / 2, stride / 2 - 1);
  const auto end = tail.Next();
  REQUIRE(end);
  const double before_end = std::sqrt(864'000.0 / 1e7) * 1e9;
  CHECK(std::abs(static_cast<double>((hours(24 * 10) - end->at).count()) - before_end) <= 1);
}

TEST_CASE("arrivals: what is planned until then agrees with the times") {
  for (const auto& [from, to] : {std::pair{7.0, 7.0}, {0.0, 40.0}, {40.0, 0.0}, {3.0, 9.5}}) {
    const ArrivalPlan plan = Even(from, to, seconds(3));
    const auto all = All(plan);
    const Arrivals arrivals(plan);
    CHECK(arrivals.PlannedUntil(Duration(-1)) == 0);
    CHECK(arrivals.PlannedUntil(Duration(0)) == 0);
    CHECK(arrivals.PlannedUntil(seconds(3)) == static_cast<double>(all.size()));
    CHECK(arrivals.PlannedUntil(seconds(99)) == static_cast<double>(all.size()));
    for (const Arrivals::Arrival& arrival : all) {
      if (arrival.at >= plan.length) continue;
      const auto index = static_cast<double>(arrival.index);
      CHECK(arrivals.PlannedUntil(arrival.at) == index);
      CHECK(arrivals.PlannedUntil(arrival.at + Duration(1)) == index + 1);
    }
  }
  const Arrivals poisson(Poisson(0, 100, seconds(10), 1));
  CHECK(poisson.Planned() == doctest::Approx(500));
  CHECK(poisson.PlannedUntil(seconds(5)) == doctest::Approx(125));
}

TEST_CASE("arrivals: the parts of several loops are the whole plan") {
  for (const ArrivalPlan& plan : {Even(0, 300, seconds(3)), Poisson(0, 300, seconds(3), 7),
                                  Poisson(200, 50, seconds(3), 9)}) {
    const auto whole = All(plan);
    for (const std::int64_t stride : {2, 3, 7}) {
      std::vector<std::vector<Arrivals::Arrival>> parts;
      std::size_t total = 0;
      for (std::int64_t i = 0; i < stride; ++i) {
        parts.push_back(All(plan, stride, i));
        total += parts.back().size();
      }
      REQUIRE(total == whole.size());
      for (std::size_t k = 0; k < whole.size(); ++k) {
        const auto n = static_cast<std::size_t>(stride);
        CHECK(whole[k].index == static_cast<std::int64_t>(k));
        CHECK(parts[k % n][k / n].index == whole[k].index);
        CHECK(parts[k % n][k / n].at == whole[k].at);
      }
    }
  }
}

TEST_CASE("arrivals: Poisson counts are within 4 sqrt(N) and as dispersed as they should be") {
  struct Case {
    double from, to;
    std::uint64_t seed;
  };
  for (const Case& c : {Case{1000, 1000, 1},
                        {1000, 1000, 2},
                        {0, 2000, 3},
                        {2000, 0, 4},
                        {500, 1500, 5},
                        {1500, 500, 6}}) {
    CAPTURE(c.seed);
    const ArrivalPlan plan = Poisson(c.from, c.to, seconds(60), c.seed);
    const auto all = All(plan);
    const double expected = 60'000;
    CHECK(Arrivals(plan).Planned() == doctest::Approx(expected));
    CHECK(std::abs(static_cast<double>(all.size()) - expected) < 4 * std::sqrt(expected));
    // Cells of equal expectation (100 each), whatever the ramp: variance over mean of a Poisson
    // process is 1, with a standard error of sqrt(2 / cells).
    const Arrivals model(plan);
    std::vector<double> cells(600);
    Duration last{};
    for (const Arrivals::Arrival& arrival : all) {
      REQUIRE(arrival.at >= last);
      REQUIRE(arrival.at <= plan.length);
      last = arrival.at;
      const auto cell = static_cast<std::size_t>(model.PlannedUntil(arrival.at) / 100);
      ++cells[std::min<std::size_t>(cell, cells.size() - 1)];
    }
    double mean = 0;
    for (const double n : cells) mean += n / static_cast<double>(cells.size());
    double variance = 0;
    for (const double n : cells)
      variance += (n - mean) * (n - mean) / (static_cast<double>(cells.size()) - 1);
    CHECK(std::abs(variance / mean - 1) < 4 * std::sqrt(2.0 / static_cast<double>(cells.size())));
  }
}

TEST_CASE("arrivals: Poisson gaps are exponential and the seed decides them") {
  const auto all = All(Poisson(1000, 1000, seconds(100), 11));
  // Kolmogorov-Smirnov against 1 - e^-x; 1.95 / sqrt(n) is passed by 999 of 1,000 true samples.
  std::vector<double> gaps;
  Duration last{};
  for (const Arrivals::Arrival& arrival : all) {
    gaps.push_back(static_cast<double>((arrival.at - last).count()) / 1e6);
    last = arrival.at;
  }
  std::sort(gaps.begin(), gaps.end());
  const auto n = static_cast<double>(gaps.size());
  double distance = 0;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    distance = std::max(distance, std::abs(1 - std::exp(-gaps[i]) - static_cast<double>(i) / n));
  }
  CHECK(distance < 1.95 / std::sqrt(n));

  const auto again = All(Poisson(1000, 1000, seconds(100), 11));
  const auto other = All(Poisson(1000, 1000, seconds(100), 12));
  CHECK(again.size() == all.size());
  CHECK(again[500].at == all[500].at);
  CHECK(other[500].at != all[500].at);
}

TEST_CASE("arrivals: rates far below one a run") {
  CHECK(All(Even(1e-3, 1e-3, seconds(1))).empty());
  CHECK(Arrivals(Poisson(1e-3, 1e-3, seconds(1), 1)).Planned() == doctest::Approx(1e-3));
  int hits = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    hits += static_cast<int>(All(Poisson(0.1, 0.1, seconds(1), seed)).size());
  }
  CHECK(std::abs(hits - 200) < 4 * std::sqrt(200.0));
}

TEST_CASE("arrivals: senseless plans are refused") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(Arrivals(Even(-1, 1, seconds(1))), ConfigError);
  CHECK_THROWS_AS(Arrivals(Even(1, nan, seconds(1))), ConfigError);
  CHECK_THROWS_AS(Arrivals(Even(1, 2e9, seconds(1))), ConfigError);
  CHECK_THROWS_AS(Arrivals(Even(1, 1, seconds(-1))), ConfigError);
  CHECK_THROWS_AS(Arrivals(Even(1, 1, seconds(1)), 0, 0), ConfigError);
  CHECK_THROWS_AS(Arrivals(Even(1, 1, seconds(1)), 2, 2), ConfigError);
  CHECK_THROWS_AS(Arrivals(Even(1, 1, seconds(1)), 2, -1), ConfigError);
}

}  // namespace
}  // namespace perf::load

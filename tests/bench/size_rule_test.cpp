// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <vector>

#include "libperf/bench/size_rule.hpp"

using namespace perf::bench;

namespace {

/// A size whose rounds are all alike.
SizeTrial Steady(std::size_t size, double throughput, double p99_ms, double service_ms = 1) {
  return {size, {throughput, throughput, throughput}, {p99_ms, p99_ms, p99_ms}, service_ms};
}

std::size_t Recommended(const std::vector<SizeTrial>& trials) {
  return trials[Advise(trials).recommended].size;
}

}  // namespace

TEST_CASE("size rule: the smallest that is within 97 % of the throughput and 110 % of the p99") {
  CHECK(Recommended({Steady(1, 500, 20), Steady(2, 960, 10), Steady(3, 971, 10.9),
                     Steady(4, 1000, 10)}) == 3);
  CHECK(Recommended({Steady(3, 980, 11.2), Steady(4, 1000, 10)}) == 4);  // p99 above 110 %
  CHECK(Recommended({Steady(4, 1000, 10), Steady(8, 1000, 10)}) == 4);   // no need for more
  CHECK(Recommended({Steady(7, 10, 1)}) == 7);
}

TEST_CASE("size rule: limits are widened by the spread that the best shows against itself") {
  const SizeTrial noisy{8, {900, 1000, 1100}, {8, 10, 12}, 1};  // spreads of 20 % and 40 %
  const SizeAdvice advice = Advise({Steady(4, 780, 15), noisy});
  CHECK(advice.throughput_spread == doctest::Approx(0.2));
  CHECK(advice.p99_spread == doctest::Approx(0.4));
  CHECK(advice.throughput_least == doctest::Approx(776));
  CHECK(advice.p99_most == doctest::Approx(15.4));
  CHECK(advice.recommended == 0);
  CHECK(Recommended({Steady(4, 770, 15), noisy}) == 8);
}

TEST_CASE("size rule: the minimum is what is busy on average") {
  // 1,000 per second of 2.5 ms each keep 2.5 connections busy.
  CHECK(Advise({Steady(8, 1000, 10, 2.5)}).min == 3);
  CHECK(Advise({Steady(2, 1000, 10, 2.5)}).min == 2);  // never above the maximum
  CHECK(Advise({Steady(2, 1, 10, 0)}).min == 1);
}

TEST_CASE("size rule: a size that differs from itself between two sweeps by too much") {
  const SizeTrial steady = Steady(8, 1000, 10);
  CHECK(Drift(steady, steady).throughput == 0);
  CHECK(Drift(steady, steady).p99 == 0);
  // The median of each sweep counts, and which one came first does not.
  const SizeDrift drift = Drift(steady, {8, {100, 800, 5000}, {1, 15, 99}, 1});
  CHECK(drift.throughput == doctest::Approx(0.25));
  CHECK(drift.p99 == doctest::Approx(0.5));
  CHECK_FALSE(drift.TooMuch());
  CHECK_FALSE(Drift(Steady(8, 760, 10), steady).TooMuch());
  CHECK(Drift(Steady(8, 740, 10), steady).TooMuch());
  CHECK(Drift(steady, Steady(8, 740, 10)).TooMuch());
  CHECK_FALSE(Drift(steady, Steady(8, 1000, 19)).TooMuch());
  CHECK(Drift(steady, Steady(8, 1000, 21)).TooMuch());
  CHECK(Drift(steady, Steady(8, 0, 10)).TooMuch());  // nothing succeeded
}

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "libperf/base/random.hpp"
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

TEST_CASE("size rule: of five rounds the one that the machine spoiled widens nothing") {
  const SizeTrial spoiled{8, {1000, 1010, 990, 1005, 400}, {10, 10.2, 9.9, 10.1, 60}, 1};
  const SizeAdvice advice = Advise({spoiled});
  CHECK(advice.throughput_spread == doctest::Approx(0.02));
  CHECK(advice.p99_spread == doctest::Approx(0.3 / 10.1));
  // A round that was too good is left out as well.
  CHECK(Advise({{8, {1000, 1010, 990, 1005, 1600}, {10, 10, 10, 10, 1}, 1}}).throughput_spread ==
        doctest::Approx(20 / 1005.0));
  // Two such rounds are how the size behaves.
  CHECK(Advise({{8, {1000, 1010, 990, 500, 400}, {10, 10, 10, 10, 10}, 1}}).throughput_spread ==
        doctest::Approx(610 / 990.0));
  // Of less than five each one counts.
  CHECK(Advise({{8, {1000, 1000, 1000, 400}, {10, 10, 10, 10}, 1}}).throughput_spread ==
        doctest::Approx(0.6));
}

TEST_CASE("size rule: what does as well only by the spread gives way to one a little above it") {
  // 16 users of a server that only waits: each connection adds throughput, and a noisy best lets
  // 14 pass that the next sweep would not.
  const auto waits = [](std::size_t size) {
    const double n = static_cast<double>(size);
    return Steady(size, 180 * n, 5.6 * 16 / n, 5.5);
  };
  const SizeTrial best{16, {2880, 3000, 2640, 2900, 2700}, {5.6, 5.2, 6.4, 5.5, 6.1}, 5.5};
  const std::vector<SizeTrial> trials{waits(8), waits(12), waits(13), waits(14), waits(15), best};
  const SizeAdvice advice = Advise(trials);
  CHECK(advice.DoesAsWell(trials[3]));
  CHECK(trials[advice.recommended].size == 16);
  // But not to one so far above that the smallest would be clearly smaller.
  const SizeTrial noisy{16, {900, 1000, 1100}, {8, 10, 12}, 1};
  CHECK(Recommended({Steady(8, 800, 15), Steady(10, 850, 12), noisy}) == 10);
  CHECK(Recommended({Steady(8, 800, 15), Steady(10, 790, 15), noisy}) == 8);
  CHECK(Recommended({Steady(12, 800, 15), noisy}) == 12);
}

namespace {

/// One sweep advises, another one judges, as poolbench does.
bool Confirmed(const std::vector<SizeTrial>& first, const std::vector<SizeTrial>& second) {
  const SizeTrial& chosen = second[Advise(first).recommended];
  const SizeAdvice judge = Advise(second);
  bool confirmed = judge.DoesAsWell(chosen);
  for (const SizeTrial& trial : second) {
    const double most = kClearlySmaller * static_cast<double>(chosen.size);
    if (static_cast<double>(trial.size) <= most && judge.DoesAsWell(trial)) confirmed = false;
  }
  return confirmed;
}

/// 16 users of a server whose statements take `service` ms, in rounds with a noise of `noise` on
/// top of which one of twenty is spoiled. `most` is where more connections add nothing.
std::vector<SizeTrial> Swept(perf::Random& random, double service, double most, double noise) {
  std::vector<SizeTrial> trials;
  for (std::size_t size = 1; size <= 16; ++size) {
    SizeTrial trial;
    trial.size = size;
    trial.mean_service_ms = service;
    for (int round = 0; round < 5; ++round) {
      const double slow = random.Int(0, 19) == 0 ? 0.6 : 1;
      const double luck = slow * (1 + noise * (2 * random.Unit() - 1));
      const double busy = std::min(static_cast<double>(size), most);
      trial.throughput.push_back(1000 / service * busy * luck);
      trial.p99_ms.push_back(1.1 * service * 16 / busy / luck);
    }
    trials.push_back(std::move(trial));
  }
  return trials;
}

}  // namespace

TEST_CASE("size rule: what one sweep advises the next one confirms, nearly always") {
  constexpr int kSweeps = 200;
  for (const double most : {16.0, 6.0, 2.0, 1.0}) {
    CAPTURE(most);
    perf::Random random(7);
    int confirmed = 0;
    for (int i = 0; i < kSweeps; ++i) {
      const auto first = Swept(random, 5, most, 0.03);
      confirmed += Confirmed(first, Swept(random, 5, most, 0.03)) ? 1 : 0;
    }
    MESSAGE("most " << most << ": " << confirmed << " of " << kSweeps);
    CHECK(confirmed >= kSweeps * 85 / 100);
  }
}

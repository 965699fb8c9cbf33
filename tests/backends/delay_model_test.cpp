// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/delay_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

std::vector<double> DrawMs(std::string_view text, int count) {
  const DelayModel model = DelayModel::Parse(text);
  Random random(7);
  std::vector<double> result;
  for (int i = 0; i < count; ++i) result.push_back(ToMs(model.Draw(random)));
  std::sort(result.begin(), result.end());
  return result;
}

TEST_CASE("delay model: a constant is always the same") {
  const auto draws = DrawMs("80ms", 10);
  CHECK(draws.front() == 80.0);
  CHECK(draws.back() == 80.0);
  Random random(1);
  CHECK(DelayModel().Draw(random) == 0ns);
}

TEST_CASE("delay model: normal has its mean and deviation, and is never negative") {
  const auto draws = DrawMs("normal(80ms, 20ms)", 20000);
  double sum = 0;
  double squares = 0;
  for (const double ms : draws) {
    sum += ms;
    squares += (ms - 80) * (ms - 80);
  }
  CHECK(sum / 20000 == doctest::Approx(80).epsilon(0.01));
  CHECK(std::sqrt(squares / 20000) == doctest::Approx(20).epsilon(0.03));
  const auto wide = DrawMs("normal(1ms,50ms)", 1000);
  CHECK(wide.front() == 0.0);
  CHECK(wide.back() > 50.0);
}

TEST_CASE("delay model: lognormal has its median and sigma") {
  const auto draws = DrawMs(" lognormal( 80ms , 0.5 ) ", 20000);
  CHECK(draws[10000] == doctest::Approx(80).epsilon(0.03));
  CHECK(std::log(draws[16827] / 80) == doctest::Approx(0.5).epsilon(0.05));  // one sigma up
}

TEST_CASE("delay model: pareto starts at its scale and has its tail") {
  const auto draws = DrawMs("pareto(50ms, 2.5)", 20000);
  CHECK(draws.front() >= 50.0);
  CHECK(draws.front() < 50.1);
  CHECK(draws[18000] == doctest::Approx(50 * std::pow(10.0, 1 / 2.5)).epsilon(0.04));
}

TEST_CASE("delay model: draws are bounded however heavy the tail") {
  const auto draws = DrawMs("pareto(50ms, 0.01)", 1000);
  CHECK(draws.back() == ToMs(DelayModel::kLongest));
  CHECK(DrawMs("lognormal(80ms, 1000)", 100).front() >= 0.0);
}

TEST_CASE("delay model: nonsense is refused with the forms that work") {
  for (const char* text : {"",
                           "80",
                           "-80ms",
                           "nan",
                           "6m",
                           "normal",
                           "normal()",
                           "normal(80ms)",
                           "normal(80ms, 0.5)",
                           "normal(80ms, 20ms",
                           "normal(80ms, 20ms) x",
                           "normal(80ms, 20ms, 1)",
                           "lognormal(80ms, -1)",
                           "lognormal(80ms, nan)",
                           "lognormal(80ms, inf)",
                           "pareto(50ms, 0)",
                           "pareto(50ms, 2000)",
                           "weibull(50ms, 2)",
                           "(50ms, 2)",
                           "normal((80ms), 20ms)"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(DelayModel::Parse(text), ConfigError);
  }
  CHECK_THROWS_WITH_AS(DelayModel::Parse("weibull(50ms, 2)"),
                       doctest::Contains("lognormal(80ms, 0.5)"), ConfigError);
}

}  // namespace
}  // namespace perf::backends

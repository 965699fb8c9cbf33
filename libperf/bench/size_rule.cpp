// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/size_rule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace perf::bench {
namespace {

constexpr double kThroughputShare = 0.97;
constexpr double kP99Share = 1.10;
constexpr double kMostDrift = 1 / 0.75 - 1;
constexpr double kMostP99Drift = 1;

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double Spread(const std::vector<double>& values) {
  const double median = Median(values);
  if (median <= 0) return 0;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return (*most - *least) / median;
}

double Apart(double a, double b) {
  const auto [less, more] = std::minmax(a, b);
  if (more <= 0) return 0;
  return less > 0 ? more / less - 1 : std::numeric_limits<double>::infinity();
}

}  // namespace

double SizeTrial::Throughput() const { return Median(throughput); }
double SizeTrial::P99() const { return Median(p99_ms); }

bool SizeAdvice::DoesAsWell(const SizeTrial& trial) const {
  return trial.Throughput() >= throughput_least && trial.P99() <= p99_most;
}

bool SizeDrift::TooMuch() const { return throughput > kMostDrift || p99 > kMostP99Drift; }

SizeDrift Drift(const SizeTrial& first, const SizeTrial& second) {
  return {Apart(first.Throughput(), second.Throughput()), Apart(first.P99(), second.P99())};
}

SizeAdvice Advise(const std::vector<SizeTrial>& trials) {
  SizeAdvice advice;
  for (std::size_t i = 1; i < trials.size(); ++i) {
    if (trials[i].Throughput() > trials[advice.best].Throughput()) advice.best = i;
  }
  const SizeTrial& best = trials[advice.best];
  advice.throughput_spread = Spread(best.throughput);
  advice.p99_spread = Spread(best.p99_ms);
  advice.throughput_least =
      best.Throughput() * kThroughputShare * std::max(0.0, 1 - advice.throughput_spread);
  advice.p99_most = best.P99() * kP99Share * (1 + advice.p99_spread);
  advice.recommended = static_cast<std::size_t>(
      std::find_if(trials.begin(), trials.end(),
                   [&](const SizeTrial& trial) { return advice.DoesAsWell(trial); }) -
      trials.begin());
  const SizeTrial& chosen = trials[advice.recommended];
  const double busy = chosen.Throughput() * chosen.mean_service_ms / 1000;
  advice.min = std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(busy)), 1, chosen.size);
  return advice;
}

}  // namespace perf::bench

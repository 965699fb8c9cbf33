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

/// Without a round that stands alone: one that the machine spoiled must not widen everything.
double Spread(std::vector<double> values) {
  constexpr std::size_t kEnough = 5;
  constexpr double kAlone = 3;  // times as far from the median as any other
  const double median = Median(values);
  if (median <= 0) return 0;
  const auto off = [median](double value) { return std::abs(value - median); };
  std::sort(values.begin(), values.end(), [&](double a, double b) { return off(a) < off(b); });
  const std::size_t last = values.size() - 1;
  if (values.size() >= kEnough && off(values[last]) > kAlone * off(values[last - 1])) {
    values.pop_back();
  }
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

double SizeAdvice::Margin(const SizeTrial& best, const SizeTrial& trial) const {
  const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 1; };
  return std::min(share(trial.Throughput(), best.Throughput() * kThroughputShare),
                  share(best.P99() * kP99Share, trial.P99()));
}

bool SizeDrift::TooMuch() const { return throughput > kMostDrift || p99 > kMostP99Drift; }

SizeDrift Drift(const SizeTrial& first, const SizeTrial& second) {
  return {Apart(first.Throughput(), second.Throughput()), Apart(first.P99(), second.P99())};
}

namespace {

/// The smallest that does as well, or one a little above it that does so more surely.
std::size_t Recommend(const std::vector<SizeTrial>& trials, const SizeAdvice& advice) {
  const SizeTrial& best = trials[advice.best];
  std::size_t chosen = advice.best;
  double room = 0;
  double margin = 0;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const auto size = static_cast<double>(trials[i].size);
    if (!advice.DoesAsWell(trials[i])) continue;
    // Those from here on would leave the smallest one clearly below them.
    if (room > 0 && size >= room) break;
    if (room <= 0) room = size / kClearlySmaller;
    const double own = std::min(advice.Margin(best, trials[i]), 1.0);
    if (own <= margin) continue;
    chosen = i;
    margin = own;
  }
  return chosen;
}

}  // namespace

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
  advice.recommended = Recommend(trials, advice);
  const SizeTrial& chosen = trials[advice.recommended];
  const double busy = chosen.Throughput() * chosen.mean_service_ms / 1000;
  advice.min = std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(busy)), 1, chosen.size);
  return advice;
}

}  // namespace perf::bench

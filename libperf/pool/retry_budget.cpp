// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/retry_budget.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "libperf/base/error.hpp"

namespace perf::pool {
namespace {

constexpr double kToken = 1e6;
constexpr std::int64_t kNotYet = std::numeric_limits<std::int64_t>::min();

std::int64_t Amount(double tokens) noexcept { return std::llround(tokens * kToken); }

const RetryBudgetOptions& Checked(const RetryBudgetOptions& options) {
  if (!(options.ratio >= 0 && options.ratio <= 10)) {
    throw ConfigError("retry budget: ratio must be 0 to 10");
  }
  if (!(options.min_per_second >= 0 && options.min_per_second <= 1e6)) {
    throw ConfigError("retry budget: min_per_second must be 0 to 1000000");
  }
  if (!(options.most >= 1 && options.most <= 1e6)) {
    throw ConfigError("retry budget: most must be 1 to 1000000");
  }
  return options;
}

}  // namespace

RetryBudget::RetryBudget(const RetryBudgetOptions& options)
    : deposit_(Amount(Checked(options).ratio)),
      most_(Amount(options.most)),
      per_nanosecond_(options.min_per_second * kToken / 1e9),
      balance_(std::min(most_, Amount(std::max(1.0, options.min_per_second)))),
      refilled_at_(kNotYet) {}

void RetryBudget::Credit(std::int64_t amount) noexcept {
  std::int64_t balance = balance_.load(std::memory_order_relaxed);
  while (balance < most_ &&
         !balance_.compare_exchange_weak(balance, std::min(most_, balance + amount),
                                         std::memory_order_relaxed)) {
  }
}

void RetryBudget::Deposit() noexcept { Credit(deposit_); }

void RetryBudget::Refill(TimePoint now) noexcept {
  const std::int64_t ticks = std::chrono::duration_cast<Duration>(now.time_since_epoch()).count();
  std::int64_t since = refilled_at_.load(std::memory_order_relaxed);
  if (since == kNotYet) {
    refilled_at_.compare_exchange_strong(since, ticks, std::memory_order_relaxed);
    return;
  }
  if (ticks <= since) return;
  const double brought = static_cast<double>(ticks - since) * per_nanosecond_;
  // Too little for a millionth: that time is left to count later.
  if (brought < 1) return;
  // Whoever moves the instant brings that span's tokens, once.
  if (!refilled_at_.compare_exchange_strong(since, ticks, std::memory_order_relaxed)) return;
  Credit(static_cast<std::int64_t>(std::min(brought, static_cast<double>(most_))));
}

bool RetryBudget::TryWithdraw(TimePoint now) noexcept {
  Refill(now);
  constexpr auto kOne = static_cast<std::int64_t>(kToken);
  std::int64_t balance = balance_.load(std::memory_order_relaxed);
  while (balance >= kOne) {
    if (balance_.compare_exchange_weak(balance, balance - kOne, std::memory_order_relaxed)) {
      granted_.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
  }
  refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

RetryBudget::Snapshot RetryBudget::Now() const noexcept {
  return Snapshot{static_cast<double>(balance_.load(std::memory_order_relaxed)) / kToken,
                  granted_.load(std::memory_order_relaxed),
                  refused_.load(std::memory_order_relaxed)};
}

Duration DelayBefore(const RetryBackoff& backoff, unsigned retry, Random& random) noexcept {
  const double most = static_cast<double>(std::max(Duration::zero(), backoff.most).count());
  const double exponent = retry > 1 ? std::min(retry - 1, 1000U) : 0;
  const double grown = static_cast<double>(std::max(Duration::zero(), backoff.first).count()) *
                       std::pow(std::max(1.0, backoff.growth), exponent);
  const double cap = std::min(most, grown);
  double delay = cap;
  if (backoff.jitter == RetryBackoff::Jitter::kFull) delay = cap * random.Unit();
  if (backoff.jitter == RetryBackoff::Jitter::kEqual) delay = cap * (0.5 + 0.5 * random.Unit());
  return Duration(static_cast<std::int64_t>(delay));
}

Retries::Retries(RetryBudget& budget, const RetryPolicy& policy, Random& random) noexcept
    : budget_(budget), policy_(policy), random_(random) {
  budget_.Deposit();
}

std::optional<Duration> Retries::Next(Deadline deadline, Duration expected,
                                      TimePoint now) noexcept {
  if (made_ >= policy_.retries) return std::nullopt;
  const Duration delay = DelayBefore(policy_.backoff, made_ + 1, random_);
  const TimePoint end = Saturated(Saturated(now, delay), expected);
  if (!deadline.IsNever() && end >= deadline.At()) return std::nullopt;
  if (!budget_.TryWithdraw(now)) return std::nullopt;
  ++made_;
  return delay;
}

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::pool {

struct RetryBudgetOptions {
  double ratio = 0.1;         // retries that each first request pays for; 0 to 10
  double min_per_second = 1;  // retries allowed beside that, for a client with few requests
  double most = 100;          // retries that may be saved up; 1 to 1e6
};

/// A token bucket that bounds the retries of all callers of one target together, so that an outage
/// is not answered by several times the load. Each first request deposits `ratio` of a token, time
/// deposits `min_per_second`, each retry takes one: in any span of time there are at most
/// `most + ratio * requests + min_per_second * seconds` retries. This is the design of Finagle's
/// RetryBudget (there 20 % and 10/s over 10 s) and of gRPC's retry throttling (proposal A6, where
/// only a success deposits); a cap stands in for Finagle's expiry. Starts with `min_per_second`,
/// at least one.
/// Only the caller knows whether an operation may be done twice: ask for a retry of idempotent
/// operations only, or of those that were never sent.
/// Thread safety: all methods; no lock. A full budget's Deposit is one load.
class PERF_EXPORT RetryBudget {
 public:
  /// Throws: ConfigError for an option out of its range.
  explicit RetryBudget(const RetryBudgetOptions& options = {});

  /// For each first request (not for retries).
  void Deposit() noexcept;
  /// Whether a retry may be made now; if so it is paid for.
  [[nodiscard]] bool TryWithdraw(TimePoint now) noexcept;

  struct Snapshot {
    double balance = 0;  // tokens, without what time has brought since the last TryWithdraw
    std::uint64_t granted = 0;
    std::uint64_t refused = 0;
  };
  Snapshot Now() const noexcept;

 private:
  void Credit(std::int64_t amount) noexcept;
  void Refill(TimePoint now) noexcept;

  const std::int64_t deposit_;  // millionths of a token, as all amounts here
  const std::int64_t most_;
  const double per_nanosecond_;
  std::atomic<std::int64_t> balance_;
  std::atomic<std::int64_t> refilled_at_;  // ns
  std::atomic<std::uint64_t> granted_{0};
  std::atomic<std::uint64_t> refused_{0};
};

/// How long to wait before a retry. Full jitter draws from [0, cap], equal jitter from
/// [cap / 2, cap], where cap = min(most, first * growth^(retry - 1)) (Brooker, "Exponential Backoff
/// and Jitter", 2015: full jitter does the least work in all).
struct RetryBackoff {
  enum class Jitter : std::uint8_t { kNone, kFull, kEqual };
  Duration first = std::chrono::milliseconds(50);
  Duration most = std::chrono::seconds(2);
  double growth = 2;
  Jitter jitter = Jitter::kFull;
};

/// The delay before the `retry`-th retry, counted from 1. Thread safety: the generator is the
/// caller's.
PERF_EXPORT Duration DelayBefore(const RetryBackoff& backoff, unsigned retry,
                                 Random& random) noexcept;

struct RetryPolicy {
  unsigned retries = 2;  // at most, of one operation
  RetryBackoff backoff;
};

/// The retries of one operation: bounded by their number, by the deadline and by the budget that
/// all operations on the target share.
/// Thread safety: none. Lifetime: borrows budget and generator.
class PERF_EXPORT Retries {
 public:
  /// Deposits for the first request.
  Retries(RetryBudget& budget, const RetryPolicy& policy, Random& random) noexcept;

  /// After a failure: how long to wait before the next try, or nothing where there must be none.
  /// A retry that could not end before the deadline (`expected`: how long a try takes, at least)
  /// is not made and takes nothing from the budget.
  std::optional<Duration> Next(Deadline deadline, Duration expected, TimePoint now) noexcept;
  unsigned Made() const noexcept { return made_; }

 private:
  RetryBudget& budget_;
  RetryPolicy policy_;
  Random& random_;
  unsigned made_ = 0;
};

}  // namespace perf::pool

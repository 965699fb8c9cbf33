// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "libperf/base/clock.hpp"
#include "libperf/pool/blocking_pool.hpp"

namespace perf::bench {

/// perfkit's own pool with stub connections, all of them open, in the shape that micro measures.
/// Thread safety: all methods. Lifetime: outlives its loans.
class PerfkitPool {
 public:
  class Loan {
   public:
    explicit Loan(pool::BlockingLoan loan) noexcept : loan_(std::move(loan)) {}
    explicit operator bool() const noexcept { return static_cast<bool>(loan_); }
    pool::Resource* Get() const noexcept { return &loan_.Get(); }

   private:
    pool::BlockingLoan loan_;
  };

  PerfkitPool(std::size_t size, pool::Fairness fairness);
  Loan Acquire(Deadline deadline) { return Loan(pool_.AcquireOrThrow(deadline)); }
  std::size_t Free() const { return pool_.Core().Now().idle; }
  /// When strict, of all waiters together.
  std::uint64_t OvertakenMost() const;

 private:
  pool::Fairness fairness_;
  pool::BlockingPool pool_;
};

}  // namespace perf::bench

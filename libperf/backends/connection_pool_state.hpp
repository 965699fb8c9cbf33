// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "libperf/backends/connection_pool.hpp"

namespace perf::backends {

/// What a ConnectionPool, its loans and its tasks share.
/// Thread safety: none; belongs to its loop's thread. Lifetime: by PoolRef.
class PoolState {
 public:
  PoolState(EventLoop& the_loop, ConnectionPool::Options the_options, ConnectionPool::Dial dial);
  /// The pool is gone: closes for good.
  void Leave();
  void StartDials(TimePoint now);
  void Reap(TimePoint now);
  void TakeBack(pool::Slot& slot, pool::Breaker::Permit& permit, bool failed) noexcept;
  /// Waits until nothing is lent; gives whether that came before the deadline.
  class QuietWait;

  EventLoop& loop;
  ConnectionPool::Options options;
  const ConnectionPool::Dial dial;
  pool::Core core;

 private:
  friend class PoolRef;
  void PlanDecision(TimePoint now);
  void Upkeep();
  void CareLater(pool::Slot& slot, const ConnectionPool::Care& care);
  void GiveBack(pool::Slot& slot) noexcept;
  static Task<void> DialOne(PoolRef self, pool::Slot& slot);
  static Task<void> DecideAt(PoolRef self, TimePoint at);
  static Task<void> CareFor(PoolRef self, pool::Slot& slot, const ConnectionPool::Care& care);

  std::size_t refs_ = 0;
  bool left_ = false;
  TimePoint planned_ = TimePoint::max();
  Alarm upkeep_;
};

}  // namespace perf::backends

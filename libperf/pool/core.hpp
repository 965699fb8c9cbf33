// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"
#include "libperf/pool/resource.hpp"

namespace perf::pool {

struct Limits {
  std::size_t min = 0;
  std::size_t max = 10;
  std::size_t max_dials = 10;  // at the same time
  Duration idle_timeout = std::chrono::minutes(10);
  Duration validate_after = std::chrono::milliseconds(500);  // idle for less: not looked at
  Duration backoff_first = std::chrono::milliseconds(50);
  Duration backoff_most = std::chrono::seconds(1);
};

/// Somebody who waits for a resource; linked into the core's queue, oldest first.
/// Lifetime: stays at its place from Enqueue until it was given something or Remove.
class Waiter {
 public:
  virtual ~Waiter() = default;
  /// Takes the resource over. Called by the core with its state consistent; must not throw.
  virtual void Grant(std::unique_ptr<Resource> resource) noexcept = 0;
  /// No resource will come: the target is down.
  virtual void Fail(const std::string& why) noexcept = 0;

 private:
  friend class Core;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
  bool queued_ = false;
};

struct Counts {
  std::size_t idle = 0;
  std::size_t in_use = 0;
  std::size_t dialling = 0;
  std::size_t waiting = 0;
  std::size_t Total() const noexcept { return idle + in_use + dialling; }
};

/// Totals since the pool was made.
struct Statistics {
  std::uint64_t acquired = 0;
  std::uint64_t waited = 0;
  std::uint64_t dialled = 0;
  std::uint64_t dial_failures = 0;
  std::uint64_t discarded = 0;  // broken, dead while idle
  std::uint64_t expired = 0;    // idle for too long
  std::size_t most_in_use = 0;
  std::size_t most_waiting = 0;
};

/// A bounded pool's decisions, without I/O and without a clock: who gets what, when to dial.
/// Idle resources are reused newest first, so that a burst's surplus can grow old and go; waiters
/// are served strictly oldest first. After a failed dial the pool backs off exponentially with
/// jitter; with no connection left, everyone who waits, and who comes meanwhile, fails at once.
/// Thread safety: none; each loop owns one (its share of the target's limits).
class PERF_EXPORT Core {
 public:
  Core(Limits limits, std::uint64_t seed);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// An idle resource, or null. Never overtakes a waiter.
  std::unique_ptr<Resource> TryTake(TimePoint now);
  /// Why an acquire would fail at once: the last dial's error while the target is known to be
  /// down; null otherwise.
  const std::string* Down(TimePoint now) const noexcept;
  void Enqueue(Waiter& waiter);
  void Remove(Waiter& waiter) noexcept;

  /// How many dials to start now; each counts as started and ends in Dialled or DialFailed.
  std::size_t DialsToStart(TimePoint now);
  void Dialled(std::unique_ptr<Resource> resource, TimePoint now);
  void DialFailed(const std::string& why, TimePoint now);
  /// Takes one in that was dialled outside of the core's plan, before anybody waits.
  void Adopt(std::unique_ptr<Resource> resource, TimePoint now);
  /// When a dial may be tried again after a failure.
  TimePoint RetryAt() const noexcept { return retry_at_; }

  /// Takes a resource back: to the oldest waiter, to the idle, or, when it is not reusable, to
  /// its end.
  void Return(std::unique_ptr<Resource> resource, TimePoint now);
  /// Destroys what was idle for too long, down to `min`.
  void Reap(TimePoint now);
  /// Destroys all idle ones.
  void CloseIdle() noexcept;

  Counts Now() const noexcept;
  const Statistics& Totals() const noexcept { return totals_; }
  const Limits& Bounds() const noexcept { return limits_; }

 private:
  struct Idle {
    std::unique_ptr<Resource> resource;
    TimePoint since;
  };
  Waiter* PopWaiter() noexcept;
  void GiveOrKeep(std::unique_ptr<Resource> resource, TimePoint now);
  void BackOff(TimePoint now);
  void FailAll(const std::string& why);

  Limits limits_;
  Random random_;
  std::deque<Idle> idle_;  // oldest in front
  Waiter* head_ = nullptr;
  Waiter* tail_ = nullptr;
  std::size_t waiting_ = 0;
  std::size_t in_use_ = 0;
  std::size_t dialling_ = 0;
  int failures_in_row_ = 0;
  TimePoint retry_at_{};
  std::string last_error_;
  Statistics totals_;
};

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/pool/resource.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::bench {

/// One piece of the measurement of one pool: all workers see the same.
struct Slice {
  std::atomic<bool> stop{false};
  Deadline deadline = Deadline::Never();  // of each acquire
  std::uint64_t hold_rounds = 0;          // of Spend, while a resource is held
};

/// What one thread counts; on cache lines of its own.
struct alignas(128) Worker {
  std::atomic<std::uint64_t> operations{0};  // of this slice
  std::atomic<std::uint64_t> failed{0};      // acquires that gave nothing
  stats::Histogram waits{stats::HistogramConfig{1, 100'000'000'000, 3}};  // ns
};

/// Processor time that the compiler cannot take away; a round costs about a nanosecond.
inline void Spend(std::uint64_t rounds) noexcept {
  std::uint64_t state = rounds;
  for (; rounds > 0; --rounds) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    asm volatile("" : "+r"(state));
  }
}

/// A pool of which micro measures acquire and release.
class Subject {
 public:
  Subject(std::string impl, std::string fairness)
      : impl_(std::move(impl)), fairness_(std::move(fairness)) {}
  virtual ~Subject() = default;
  const std::string& Impl() const noexcept { return impl_; }
  const std::string& Fairness() const noexcept { return fairness_; }

  /// Acquires and releases until `slice.stop`; never throws. Called by many threads.
  virtual void Work(Slice& slice, Worker& worker) noexcept = 0;
  /// Resources that nobody holds.
  virtual std::size_t Free() = 0;
  /// The most often that anybody was overtaken during one wait, since it was made.
  virtual std::uint64_t OvertakenMost() = 0;

 private:
  std::string impl_, fairness_;
};

/// What a pool must offer to be measured: a loan that returns itself and is false where there is
/// none.
template <typename Pool>
concept Acquirable = requires(Pool& pool, Deadline deadline) {
  { static_cast<bool>(pool.Acquire(deadline)) };
  { pool.Acquire(deadline).Get() };
  { pool.Free() } -> std::convertible_to<std::size_t>;
  { pool.OvertakenMost() } -> std::convertible_to<std::uint64_t>;
};

/// One operation in so many is timed: two looks at the clock each time would cost more than what
/// they measure.
inline constexpr std::uint64_t kTimedEvery = 64;

template <Acquirable Pool>
class SubjectOf final : public Subject {
 public:
  template <typename... Args>
  SubjectOf(std::string impl, std::string fairness, Args&&... args)
      : Subject(std::move(impl), std::move(fairness)), pool_(std::forward<Args>(args)...) {}

  void Work(Slice& slice, Worker& worker) noexcept override {
    try {
      Loop(slice, worker);
    } catch (const std::exception&) {
      worker.failed.fetch_add(1, std::memory_order_relaxed);
    }
  }
  std::size_t Free() override { return pool_.Free(); }
  std::uint64_t OvertakenMost() override { return pool_.OvertakenMost(); }

 private:
  void Loop(Slice& slice, Worker& worker) {
    std::uint64_t done = 0;
    while (!slice.stop.load(std::memory_order_relaxed)) {
      const bool timed = done % kTimedEvery == 0;
      const TimePoint before = timed ? Clock::now() : TimePoint();
      auto loan = pool_.Acquire(slice.deadline);
      if (timed) worker.waits.Record((Clock::now() - before).count());
      if (!loan) {
        worker.failed.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      asm volatile("" : : "r"(loan.Get()) : "memory");
      if (slice.hold_rounds > 0) Spend(slice.hold_rounds);
      worker.operations.store(++done, std::memory_order_relaxed);
    }
  }

  Pool pool_;
};

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::audio {

/// What is due once in each of its periods, such as a stream.
/// Lifetime: outlives its stay in a wheel.
class PERF_EXPORT Paced {
 public:
  /// `due` is the deadline as it was planned, however late the call comes. Called by one thread at
  /// a time, in the order of the deadlines; must neither block nor allocate.
  virtual void OnDue(TimePoint due) noexcept = 0;

 protected:
  ~Paced() = default;
};

/// How late beats were handled, against the deadlines as they were planned.
/// Thread safety: none.
class PERF_EXPORT PaceTally {
 public:
  PaceTally();
  void Record(Duration late, Duration period, std::uint64_t beats) noexcept {
    late_us_.Record(late.count() / 1000, beats);
    if (late > period) over_period_ += beats;
  }
  void Forget() noexcept;
  void Merge(const PaceTally& other);

  /// Microseconds; its count is that of the beats.
  const stats::Histogram& LateUs() const noexcept { return late_us_; }
  /// Beats that were late by more than their period.
  std::uint64_t OverPeriod() const noexcept { return over_period_; }

 private:
  stats::Histogram late_us_;
  std::uint64_t over_period_ = 0;
};

/// Which streams are due at which tick: a hashed wheel (Varghese and Lauck, 1987) for each length
/// of period, with one bucket a tick, over which streams are spread evenly. Deadlines are absolute;
/// ticks are never left out, so that who comes late catches up.
///
/// Thread safety: Add, Remove and the counts all; RunTick, SkipTo and NextDue belong to one thread,
/// which takes no lock and does not allocate: buckets are replaced as a whole, and freed by those
/// who add and remove.
class PERF_EXPORT PaceWheel {
 public:
  /// So many lengths of periods at the same time.
  static constexpr std::size_t kMaxPeriods = 8;

  /// The first tick is due at `start`. Throws: ConfigError unless tick > 0.
  explicit PaceWheel(TimePoint start, Duration tick = std::chrono::milliseconds(1));
  ~PaceWheel();
  PaceWheel(const PaceWheel&) = delete;
  PaceWheel& operator=(const PaceWheel&) = delete;

  /// Each is due once in a period from now on. Throws: ConfigError when the period is no multiple
  /// of a tick or above a minute, or when it would be the ninth length.
  void Add(std::span<Paced* const> streams, Duration period);
  /// Those that are not there are passed over. They may still be called until Passes() has come to
  /// what is returned.
  std::uint64_t Remove(std::span<Paced* const> streams);
  std::size_t Size() const noexcept { return size_.load(std::memory_order_seq_cst); }

  /// When the next tick is due.
  TimePoint NextDue() const noexcept { return next_due_; }
  /// Calls all that are due at the next tick, and counts how late by `now()`, which is asked after
  /// each sixteen of them.
  template <typename Now>
  void RunTick(Now&& now, PaceTally& tally) noexcept;
  /// Leaves out the ticks before `now`. Requires: nobody is due at them.
  void SkipTo(TimePoint now) noexcept;

  /// No tick is run any more: whoever waits for one waits no longer.
  void End() noexcept;
  /// How many ticks were run.
  std::uint64_t Passes() const noexcept { return passes_.load(std::memory_order_seq_cst); }
  /// Returns when Passes() has come to `pass`. Whoever runs the ticks guarantees the end.
  void AwaitPass(std::uint64_t pass) const noexcept;

 private:
  using Bucket = std::vector<Paced*>;
  struct Ring {
    Ring(Duration length, std::size_t count);
    const Duration period;
    std::vector<std::unique_ptr<const Bucket>> owned;
    std::vector<std::atomic<const Bucket*>> buckets;
  };
  struct Retired {
    std::unique_ptr<const Bucket> bucket;
    std::uint64_t pass;
  };
  static constexpr std::size_t kBatch = 16;
  static constexpr std::size_t kAhead = 6;

  Ring& RingOf(Duration period);
  void Replace(Ring& ring, std::size_t index, Bucket bucket);
  template <typename Now>
  static void RunBucket(const Bucket& bucket, TimePoint due, Duration period, Now& now,
                        PaceTally& tally) noexcept;

  const Duration tick_;
  TimePoint next_due_;
  std::uint64_t tick_number_ = 0;
  std::array<std::atomic<Ring*>, kMaxPeriods> rings_{};
  std::atomic<std::uint64_t> passes_{0};
  std::atomic<std::size_t> size_{0};
  std::mutex mutex_;  // among those who add and remove
  std::vector<std::unique_ptr<Ring>> owned_rings_;
  std::vector<Retired> retired_;
};

template <typename Now>
void PaceWheel::RunBucket(const Bucket& bucket, TimePoint due, Duration period, Now& now,
                          PaceTally& tally) noexcept {
  for (std::size_t at = 0; at < bucket.size();) {
    const std::size_t end = std::min(at + kBatch, bucket.size());
    const std::size_t beats = end - at;
    for (; at < end; ++at) {
      // Thousands of streams do not fit into the caches.
      if (at + kAhead < bucket.size()) __builtin_prefetch(bucket[at + kAhead]);
      bucket[at]->OnDue(due);
    }
    tally.Record(now() - due, period, beats);
  }
}

template <typename Now>
void PaceWheel::RunTick(Now&& now, PaceTally& tally) noexcept {
  for (const auto& slot : rings_) {
    Ring* const ring = slot.load(std::memory_order_acquire);
    if (ring == nullptr) break;
    // In one order with the end of the pass below and what Remove does: whoever has seen this pass
    // not yet ended when a bucket was replaced, sees the next one use the new bucket.
    const Bucket* const bucket =
        ring->buckets[tick_number_ % ring->buckets.size()].load(std::memory_order_seq_cst);
    if (bucket != nullptr) RunBucket(*bucket, next_due_, ring->period, now, tally);
  }
  next_due_ += tick_;
  ++tick_number_;
  passes_.store(Passes() + 1, std::memory_order_seq_cst);
  passes_.notify_all();  // without a system call where nobody waits
}

}  // namespace perf::audio

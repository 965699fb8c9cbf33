// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "libperf/audio/pace_wheel.hpp"
#include "libperf/audio/starvation.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

struct PacerOptions {
  int core = -1;  // to be pinned to; -1: not
  Duration tick = std::chrono::milliseconds(1);
  std::string name = "pacer";  // of the thread, 15 characters
};

/// What a pacer did since it began, or since it was told to forget.
struct PacerReport {
  PaceTally tally;
  Duration starved{};  // wanted to run and was not let, see StarvationMeter
  Duration longest_starved{};
  Duration cpu{};                // of the thread
  Duration length{};             // that was reported on
  int core = -1;                 // that it is pinned to; -1: none
  bool run_delay_known = false;  // else `starved` knows only of what happened between wake and end
};

/// A thread that carries thousands of streams: it wakes at each tick, by the absolute time of the
/// monotonic clock, and calls those that are due. Lateness is held against the deadline as it was
/// planned: after a late wake all ticks that were missed are made up for, one after the other.
/// Without streams it sleeps.
///
/// Thread safety: all methods, but none of them from OnDue. Lifetime: `threads` outlives it;
/// streams outlive their stay.
class PERF_EXPORT Pacer {
 public:
  /// Starts the thread. Throws: ConfigError for a bad tick, std::system_error without a thread.
  Pacer(const PacerOptions& options, CoreThreads& threads);
  ~Pacer();
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  /// See PaceWheel::Add.
  void Add(std::span<Paced* const> streams, Duration period);
  /// Returns when none of them can be called any more, which takes a tick (and as long as the pacer
  /// is late).
  void Remove(std::span<Paced* const> streams);
  std::size_t Size() const noexcept { return wheel_.Size(); }
  /// Counts from now on; returns when that is so, which takes a tick.
  void Forget();
  /// Ends the thread; streams that stay are not called any more. Once more does nothing.
  void Stop();
  /// What was counted up to the end. Requires: stopped.
  const PacerReport& Report() const noexcept { return report_; }

 private:
  void Run(const PacerOptions& options, CoreThreads& threads);
  /// Makes the thread look again, should it sleep.
  void Nudge() noexcept;

  PaceWheel wheel_;
  PacerReport report_;
  std::atomic<std::uint32_t> nudges_{0};
  std::atomic<std::uint64_t> asked_to_forget_{0}, forgot_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // last: it uses what stands above
};

/// The virtual clock's face: runs all ticks before `end`, each exactly at its time, as fast as it
/// goes. Thread safety: none.
PERF_EXPORT void RunVirtually(PaceWheel& wheel, PaceTally& tally, TimePoint end) noexcept;

/// The cores that this process may use, lowest first; never empty.
PERF_EXPORT std::vector<int> UsableCores();

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <ctime>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// Adds up how long a thread wanted to run and was not let: by others' processes, or by the machine
/// below ours, of which steal time shows nothing on many hosts.
/// Thread safety: none; the core logic, which is told all times.
class PERF_EXPORT StarvationMeter {
 public:
  /// One wake of the thread, up to its end.
  struct Beat {
    Duration wall{};       // from the wake to the end
    Duration cpu{};        // of this thread, in the same time
    Duration run_delay{};  // that this thread ever waited for its core, as of the end
    Duration others{};     // used by our other threads on that core since the last beat
  };
  /// Adds max(0, max(wall - cpu, growth of run_delay since the last beat) - others), and returns
  /// it.
  Duration Add(const Beat& beat) noexcept;
  /// Starts anew; `run_delay` as of now.
  void Forget(Duration run_delay) noexcept;
  Duration Total() const noexcept { return total_; }
  Duration Longest() const noexcept { return longest_; }

 private:
  Duration total_{}, longest_{}, run_delay_{};
};

/// Which of our threads are pinned to which core, so that one can tell what the others there used.
/// Thread safety: all. Lifetime: outlives the seats.
class PERF_EXPORT CoreThreads {
 public:
  static constexpr std::size_t kMost = 64;

  /// A thread's place among those of its core, taken and left by the thread itself.
  class PERF_EXPORT Seat {
   public:
    /// Pins the calling thread to `core` (negative: leaves it where it is, and it has no place).
    /// Where all places are taken it is pinned, but not seen by others.
    Seat(CoreThreads& threads, int core) noexcept;
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    bool Pinned() const noexcept { return pinned_; }
    /// What the other threads of this core used since this was last asked. Two system calls for
    /// three of them; called by the thread itself.
    Duration OthersCpu() noexcept;

   private:
    CoreThreads& threads_;
    const int core_;
    bool pinned_ = false;
    std::size_t place_ = kMost;
    std::array<Duration, kMost> seen_{};
  };

 private:
  struct Place {
    std::atomic<int> core{-1};  // -1: free, -2: being taken
    std::atomic<clockid_t> clock{0};
  };
  std::array<Place, kMost> places_;
};

/// How long the calling thread has waited for a processor since it began, as the kernel counts it
/// (sched-stats.rst). Reads through one file descriptor; without one (none is left, the kernel does
/// not count) it says nothing.
/// Thread safety: none; made and read by one thread.
class PERF_EXPORT RunDelay {
 public:
  RunDelay() noexcept;
  ~RunDelay();
  RunDelay(const RunDelay&) = delete;
  RunDelay& operator=(const RunDelay&) = delete;

  bool Known() const noexcept { return fd_ >= 0; }
  /// Zero where it is not known.
  Duration Read() const noexcept;

 private:
  int fd_ = -1;
};

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "libperf/base/clock.hpp"

namespace perf::pool {

/// Who may take what has come free while others wait.
///
/// An acquire *arrives* when it first reads the state of the queue, and a waiter waits from the
/// moment it is linked into the queue. An acquire *overtakes* a waiter when it arrives after that
/// moment, and is given a resource before the waiter is.
enum class Fairness : std::uint8_t {
  /// Nobody overtakes: who arrives while anyone waits, waits behind them; what comes free is handed
  /// to the oldest waiter. With more threads than resources each turn costs a change of threads.
  kStrict,
  /// A waiter may be overtaken freely by acquires that arrive in its first millisecond, and by at
  /// most 16 that arrive later; from then on what comes free is handed to the oldest, until no
  /// waiter older than a millisecond is left.
  kBounded,
};

inline constexpr Duration kOvertakingGrace = std::chrono::milliseconds(1);
inline constexpr int kOvertakesMost = 16;

/// Who calls a core.
enum class Sharing : std::uint8_t { kOneThread, kThreads };

/// What a pool may do. Durations of 0 switch the thing off where that is said.
struct Limits {
  std::size_t min = 0;
  std::size_t max = 10;
  std::size_t max_dials = 10;   // at the same time
  std::size_t max_waiters = 0;  // 0: no bound
  Fairness fairness = Fairness::kStrict;
  Duration idle_timeout = std::chrono::minutes(10);  // of those beyond `min`; 0: never
  /// A resource lives for max_lifetime * (1 - lifetime_jitter * u). The u of one pool's resources
  /// are spread evenly over [0, 1) with a little noise, so that deaths never bunch. 0: for ever.
  Duration max_lifetime{};
  double lifetime_jitter = 0.1;
  Duration keepalive{};  // idle for so long: due for a ping; 0: never
  Duration validate_after = std::chrono::milliseconds(500);  // idle for less: not looked at
  Duration backoff_first = std::chrono::milliseconds(50);
  Duration backoff_most = std::chrono::seconds(1);
  /// Dials for waiters start at most this late, however promising the returns look at first.
  Duration patience_most = std::chrono::milliseconds(20);
  /// True: idle ones that the last minute's peak did not need go without waiting for idle_timeout.
  bool adaptive = false;
  Duration leak_after{};  // held for longer: reported once as a leak; 0: never
};

struct Counts {
  std::size_t idle = 0;
  std::size_t in_use = 0;
  std::size_t dialling = 0;
  std::size_t waiting = 0;
  std::size_t busy = 0;  // being reset or pinged by the pool itself
  std::size_t Total() const noexcept { return idle + in_use + dialling + busy; }
};

/// Totals since the pool was made.
struct Statistics {
  std::uint64_t acquired = 0;
  std::uint64_t waited = 0;
  std::uint64_t dialled = 0;
  std::uint64_t dial_failures = 0;
  std::uint64_t discarded = 0;       // broken, dead while idle
  std::uint64_t expired = 0;         // idle for too long
  std::uint64_t aged = 0;            // past their lifetime
  std::uint64_t invalidated = 0;     // of an old epoch
  std::uint64_t shrunk = 0;          // beyond a smaller max
  std::uint64_t cancelled = 0;       // waiters that left with nothing
  std::uint64_t refused = 0;         // acquires that failed without waiting
  std::uint64_t forwarded = 0;       // given to a waiter that had gone, and passed on
  std::uint64_t overtakes = 0;       // see Fairness; 0 when strict
  std::uint64_t overtaken_most = 0;  // of one waiter after its first millisecond; at most 16
  std::uint64_t leaks_detected = 0;
  std::size_t most_in_use = 0;  // kThreads: seen when somebody waited, and by each Now()
  std::size_t most_waiting = 0;
  Duration connect_time{};  // moving average of successful dials
};

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/base/clock.hpp"

namespace perf::cache {

/// A TTL that never ends.
inline constexpr Duration kForever = Duration::max();

/// How one entry is kept. A cache has defaults; a call may bring its own (copy the defaults first).
///
/// A TTL of 0 or below means: not kept at all; a Set with one removes what was there.
struct EntryOptions {
  /// How long the value is fresh.
  Duration ttl = std::chrono::seconds(300);
  /// Memory keeps it no longer than this before it asks the second tier again.
  Duration memory_ttl = kForever;
  /// Share of the TTL, 0 to 1, by which it is shortened at random, so that entries that were
  /// written together do not expire together.
  double jitter = 0;
  /// How long after its TTL get_or_set may still answer with the old value while one load in the
  /// background renews it. 0: never.
  Duration stale_while_revalidate{};
  /// How long after its TTL the old value may stand in for a loader that fails or is too slow
  /// (fail-safe). 0: never.
  Duration stale_if_error{};
  /// After such a failure the old value counts as fresh for this long, and the loader is left
  /// alone.
  Duration error_throttle = std::chrono::seconds(1);
  /// Share of the TTL after which the first get_or_set starts a load in the background. 1: off.
  double eager_at = 1;
  /// Early expiry by chance (XFetch, Vattani et al., VLDB 2015): the greater, the earlier; a
  /// usual value is 1. 0: off. With it, `eager_at` is not needed.
  double xfetch_beta = 0;
  /// How long "there is no such thing" (a loader without a value) is kept. 0: not at all.
  Duration negative_ttl{};
  /// InvalidateTag of any of these makes the entry void. At most 64.
  std::vector<std::string> tags;
  /// get_or_set: one load among all processes at a time, by a lock of the second tier. Without a
  /// tier, or while it is down, every process loads for itself.
  bool lock_across_processes = false;
  /// How long that lock outlives a process that dies. It is renewed while its load is under way, up
  /// to ten times as long.
  Duration lock_ttl = std::chrono::seconds(30);
  /// False: this entry stays in the memory of this process (it is removed from the second tier).
  bool second_tier = true;
};

}  // namespace perf::cache

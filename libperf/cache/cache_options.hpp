// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/cache/entry_options.hpp"

namespace perf::cache {

struct CacheTimes;
class TimeSource;
class Upkeep;

/// How values are packed for the second tier and for snapshots.
enum class Codec : std::uint8_t { kNone = 0, kLz4 = 1, kZstd = 2 };

struct CompressionOptions {
  Codec codec = Codec::kNone;
  /// Smaller values stay as they are.
  std::size_t threshold_bytes = 1024;
  /// Of zstd: 1 to 19.
  int level = 3;
};

/// How long the second tier is waited for, and what happens without it.
struct TierOptions {
  /// Past it a stale value is served, or a write goes on in the background.
  Duration soft_timeout = std::chrono::milliseconds(20);
  /// Past it a read counts as a miss and a write as failed (it is tried again).
  Duration hard_timeout = std::chrono::milliseconds(250);
  /// While the tier answers but invalidations do not arrive, memory keeps entries no longer than
  /// this. 0: not at all.
  Duration incoherent_ttl = std::chrono::milliseconds(200);
  /// The same while the tier is not reachable: kForever keeps the TTL.
  Duration outage_ttl = kForever;
  /// Keys whose writes wait for the tier; with more, the whole second tier is voided when it is
  /// back.
  std::size_t repair_entries = 10000;
  /// Bytes of those writes; past it a write becomes a removal.
  std::size_t repair_bytes = 16U << 20;
  /// How often they are tried again.
  Duration repair_interval = std::chrono::milliseconds(200);
  /// How long a removal is remembered in the second tier, so that a load that began before it does
  /// not bring the old value back; slower loads are not written to the second tier.
  Duration remove_guard = std::chrono::seconds(60);
  /// Frames that claim more than this are not unpacked.
  std::size_t max_value_bytes = 64U << 20;
};

struct CacheOptions {
  std::string name = "default";
  /// See PolicyKinds().
  std::string policy = "adaptive";
  /// 0 of one is unbounded; both 0: nothing is kept in memory.
  std::uint64_t max_entries = 1000;
  /// Keys, values and overhead.
  std::uint64_t max_bytes = 50U << 20;
  EntryOptions entry;
  CompressionOptions compression;
  TierOptions tier;
  std::uint64_t seed = 1;
  /// Threads and timers for the background, shared by several caches; nullptr: its own.
  std::shared_ptr<Upkeep> upkeep;
  /// Where latencies are recorded; nullptr: nowhere.
  std::shared_ptr<CacheTimes> times;
  /// nullptr: the real clocks. Outlives the cache.
  const TimeSource* time = nullptr;
};

}  // namespace perf::cache

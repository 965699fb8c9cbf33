// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/cache/tally.hpp"

namespace perf::cache {

/// The totals of CacheStats that the front keeps itself, in its order.
enum class Count : std::uint8_t {
  kMemoryHits,
  kMemoryStale,
  kMemoryMisses,
  kNegativeHits,
  kTierHits,
  kTierStale,
  kTierMisses,
  kTierErrors,
  kTierUndecodable,
  kTierVoid,
  kLoads,
  kLoadErrors,
  kCoalesced,
  kDiscarded,
  kRefreshes,
  kFailSafe,
  kLockWaits,
  kSets,
  kRemoves,
  kTagInvalidations,
  kPrefixInvalidations,
  kClears,
  kTierWrites,
  kTierWriteErrors,
  kTierWriteRefused,
  kRepaired,
  kRepairDropped,
  kForeignKeys,
  kForeignTags,
  kFlushes,
  kRawBytes,
  kFrameBytes,
  kEnd,
};

using Counters = Tally<Count, static_cast<std::size_t>(Count::kEnd)>;

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace perf::cache {

/// What a cache has done since it was made: totals, except where said otherwise.
struct CacheStats {
  // Look-ups, by what was handed out. A get that went to the second tier counts in both tiers.
  std::uint64_t memory_hits = 0;
  std::uint64_t memory_stale = 0;  ///< Served past its TTL.
  std::uint64_t memory_misses = 0;
  std::uint64_t negative_hits = 0;
  std::uint64_t tier_hits = 0;
  std::uint64_t tier_stale = 0;
  std::uint64_t tier_misses = 0;
  std::uint64_t tier_errors = 0;       ///< Reads that timed out, failed or were not possible.
  std::uint64_t tier_undecodable = 0;  ///< Frames that were no frames: counted as misses, removed.
  std::uint64_t tier_void = 0;         ///< Frames whose tags were invalidated meanwhile.
  // Loads.
  std::uint64_t loads = 0;
  std::uint64_t load_errors = 0;
  std::uint64_t coalesced = 0;  ///< Callers who waited for another's load.
  std::uint64_t discarded = 0;  ///< Loads that a removal or an invalidation overtook: not kept.
  std::uint64_t refreshes = 0;  ///< Background loads: stale, or eager.
  std::uint64_t fail_safe = 0;  ///< Old values served for a failed load.
  std::uint64_t lock_waits = 0;
  // Writes and invalidations asked for here.
  std::uint64_t sets = 0;
  std::uint64_t removes = 0;
  std::uint64_t tag_invalidations = 0;
  std::uint64_t prefix_invalidations = 0;
  std::uint64_t clears = 0;
  std::uint64_t tier_writes = 0;
  std::uint64_t tier_write_errors = 0;
  std::uint64_t tier_write_refused = 0;  ///< Something newer was there.
  std::uint64_t repaired = 0;            ///< Writes that took place after the first attempt.
  std::uint64_t repair_dropped = 0;      ///< Overflow: the second tier is voided instead.
  // Told by the tier.
  std::uint64_t foreign_keys = 0;
  std::uint64_t foreign_tags = 0;
  std::uint64_t flushes = 0;  ///< Invalidations may have been lost: memory emptied.
  // Bytes.
  std::uint64_t raw_bytes = 0;    ///< Of values that were packed for the second tier...
  std::uint64_t frame_bytes = 0;  ///< ...and of what they became.
  // Memory, evictions by reason.
  std::uint64_t evicted_size = 0;
  std::uint64_t evicted_ttl = 0;
  std::uint64_t evicted_explicit = 0;
  std::uint64_t refused_heavy = 0;
  // Now.
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t repair_pending = 0;
  bool tier_present = false;
  bool tier_reachable = false;
  bool tier_coherent = false;
};

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/cache/second_tier.hpp"

namespace perf::bench {

/// Requests to a second tier that wait for their answer, past the cache in front of it.
/// Thread safety: as the tier; not from its own threads.
cache::TierValue TierGet(cache::SecondTier& tier, const std::string& key, Deadline deadline);
cache::TierWritten TierSet(cache::SecondTier& tier, const std::string& key, std::string bytes,
                           Duration ttl, Deadline deadline);
cache::TierStatus TierClear(cache::SecondTier& tier, Deadline deadline);

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/tier_server.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `cachebench tiers` does; see cachebench(1).
struct CacheTiersOptions {
  std::size_t concurrency = 64;
  std::uint64_t lookups = 1'000'000;
  std::uint64_t guests = 100'000;
  double zipf = 1.0;
  Duration source = std::chrono::milliseconds(5);
  std::uint64_t memory_entries = 1'000;
  std::string policy = "adaptive";
  Duration ttl = std::chrono::seconds(300);
  /// Of both, memory, tier, none. Without a cache every look-up is one of the source, so that a
  /// twentieth of them tells as much.
  std::vector<std::string> modes{"both", "memory", "tier", "none"};
  TierServerOptions server;
};

/// The same look-ups with both tiers, with either, and with none.
/// Lifetime: started while the process has no other threads. Throws: UsageError for an unknown
/// mode; UnreachableError.
PERF_EXPORT load::Result CacheTiers(const CacheTiersOptions& options, const Context& context);

}  // namespace perf::bench

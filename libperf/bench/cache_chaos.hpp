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

/// What `cachebench chaos` does; see cachebench(1).
struct CacheChaosOptions {
  std::vector<std::string> cases;  // empty: all
  std::uint64_t iterations = 10'000;
  std::size_t caches = 100;                  // tracking-lost: so many at once
  Duration down = std::chrono::seconds(10);  // l2-kill
  std::vector<std::string> ways{"kill"};     // l2-kill: kill, stop
  TierServerOptions server;
};

/// Races, lost links, clocks that step and a second tier that dies, and whether any read was stale.
/// A read is stale where it gives less than was acknowledged in the same process before it began,
/// or elsewhere more than 250 ms before.
/// Lifetime: started while the process has no other threads. Throws: UsageError for an unknown
/// case; UnreachableError.
PERF_EXPORT load::Result CacheChaos(const CacheChaosOptions& options, const Context& context);
PERF_EXPORT const std::vector<std::string>& ChaosCases();

}  // namespace perf::bench

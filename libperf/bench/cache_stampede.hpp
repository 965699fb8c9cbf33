// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/tier_server.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `cachebench stampede` does; see cachebench(1).
struct CacheStampedeOptions {
  std::size_t threads = 64;  // of each process
  std::size_t processes = 4;
  std::vector<std::string> locks{"distributed", "local"};
  std::size_t rounds = 1;
  Duration load = std::chrono::milliseconds(200);  // how long the source takes
  TierServerOptions server;
};

/// All threads of all processes ask for the same absent key in the same moment.
/// Lifetime: while the process has no other threads (it forks). Throws: UsageError for an unknown
/// lock; UnreachableError.
PERF_EXPORT load::Result CacheStampede(const CacheStampedeOptions& options, const Context& context);

}  // namespace perf::bench

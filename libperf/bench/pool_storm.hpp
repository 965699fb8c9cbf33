// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `poolbench storm` provokes; see poolbench(1).
struct StormOptions {
  std::size_t conns = 64;
  std::size_t dials = 8;  // at the same time
  Duration lifetime = std::chrono::seconds(10);
  double jitter = 0.1;
  bool restart = true;                               // on a private PostgreSQL behind a proxy
  bool lifetimes = true;                             // on stub connections
  Duration latency = std::chrono::milliseconds(20);  // of the proxy, so that handshakes overlap
};

/// Two herds: everybody dials again when all connections break at once, and connections of one age
/// reach the end of their lifetime together.
/// Throws: UnreachableError where no private PostgreSQL can be started.
PERF_EXPORT load::Result PoolStorm(const StormOptions& options, const Context& context);

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/tier_server.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `cachebench fuzz-l2` does; see cachebench(1).
struct CacheFuzzOptions {
  std::uint64_t cases = 100'000;
  std::size_t threads = 4;
  TierServerOptions server;
};

/// Puts damaged frames into a real second tier and reads them through a cache, in a process of its
/// own, which is started again where it crashes.
/// Lifetime: while the process has no other threads (it forks). Throws: UnreachableError.
PERF_EXPORT load::Result CacheFuzzL2(const CacheFuzzOptions& options, const Context& context);

}  // namespace perf::bench

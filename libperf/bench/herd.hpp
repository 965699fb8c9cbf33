// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "libperf/bench/context.hpp"
#include "libperf/bench/pool_storm.hpp"

namespace perf::bench {

/// What the proxy and the borrowers saw when all connections broke at once.
struct Herd {
  std::uint64_t accepted = 0;       // connections in all
  std::uint64_t most_dialling = 0;  // handshakes under way at the same time
  std::uint64_t broken = 0;
  std::uint64_t failed = 0;   // requests
  std::size_t recovered = 0;  // borrowers that had a reply again
  double recovered_ms = 0;    // until the last of them
  std::string first_error;
};

/// As many borrowers as connections on a private PostgreSQL behind a proxy, which resets all
/// connections once. Throws: UnreachableError.
Herd BreakAndRecover(const StormOptions& options, const Context& context);

}  // namespace perf::bench

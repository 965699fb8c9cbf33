// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::bench {

/// What `poolbench size` sweeps; see poolbench(1).
struct SizeOptions {
  std::string target;              // whose pool; empty: the only target
  std::vector<std::size_t> sizes;  // empty: up to the target's pool.max, each a third more
  std::size_t rounds = 5;          // of each sweep
  std::size_t threads = 1;
};

/// Runs a scenario with each size of one target's pool in turns, round after round, and recommends
/// the smallest that does as well as the best (see Advise). Then all that once more: the second
/// sweep judges the first one's advice. Where the best size differs from itself by too much between
/// the two (see Drift), nothing is recommended and the result is invalid, `unsteady`.
/// Thread safety: as load::Run.
/// Throws: UsageError for a target or sizes that the scenario does not have; as load::Run.
PERF_EXPORT load::Result PoolSize(load::Scenario scenario, const SizeOptions& options,
                                  const Context& context);

/// The lines that set the recommended sizes, for a shell or an environment file; empty where the
/// result recommends nothing.
PERF_EXPORT std::string SizeLines(const load::Result& result);

}  // namespace perf::bench

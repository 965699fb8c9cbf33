// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/one_liner.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `poolbench compare-unpooled` measures; see poolbench(1).
struct CompareOptions {
  std::vector<load::OneLiner> targets;
  std::vector<std::string> allow_hosts;
  std::size_t users = 1;                      // at the same time
  Duration length = std::chrono::seconds(2);  // of each way, on each target
  double saved_least = 0.95;
};

/// The same request in three ways, in short turns: on a connection dialled for it, on one borrowed
/// from a pool, and on one that is held all the time; how much of what dialling costs the pool
/// saves, by the mean time of a request.
/// Thread safety: as load::Run.
/// Throws: UnreachableError, ConfigError, UsageError.
PERF_EXPORT load::Result PoolCompare(const CompareOptions& options, const Context& context);

}  // namespace perf::bench

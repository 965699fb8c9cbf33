// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"
#include "libperf/load/result.hpp"
#include "libperf/load/runner.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::bench {

/// Runs a scenario as load::Run does, and adds one row for each of its pools.
/// Thread safety and what it throws: as load::Run.
PERF_EXPORT load::Result PoolRun(const load::Scenario& scenario, const load::RunOptions& options);

}  // namespace perf::bench

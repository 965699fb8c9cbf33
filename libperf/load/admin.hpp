// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// Runs setup or teardown steps one after another; `urls` by target.
/// Throws: ConfigError that names the step's target and what it answered.
PERF_EXPORT void RunAdmin(const Scenario& scenario, const std::vector<AdminStep>& steps,
                          const std::vector<std::string>& urls, Deadline deadline);

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"

namespace perf::load {

/// What a result says of the machine: host, kernel, cpu, cores, memory, libraries. No secret
/// and no environment variable. Works without /proc (then with fewer members).
PERF_EXPORT Json EnvironmentInfo();

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

struct AudioFaultsOptions {
  std::vector<std::string> cases;  // empty: all
  std::uint64_t rounds = 1000;     // of what is done again and again
};

PERF_EXPORT std::vector<std::string> AudioFaultCases();

/// Ten bugs that other audio buffers had, each tried on ours. Throws: UsageError.
PERF_EXPORT load::Result AudioFaults(const AudioFaultsOptions& options, const Context& context);

}  // namespace perf::bench

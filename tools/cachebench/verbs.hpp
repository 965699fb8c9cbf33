// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/common/bench/verb.hpp"

namespace perf::tool {

/// Those that replay traces through policies: sim, mrc, advise.
Verbs TraceVerbs();
/// Those that use a cache alone: run, snapshot.
Verbs MemoryVerbs();
/// Those that have Redis behind the cache: stampede, chaos, fuzz-l2, tiers.
Verbs TierVerbs();

}  // namespace perf::tool

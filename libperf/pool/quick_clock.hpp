// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/quick_clock.hpp"

namespace perf::pool {

using perf::CoarseNow;
using perf::QuickNow;

}  // namespace perf::pool

// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/executor.hpp"

namespace perf {

Executor::~Executor() = default;

}  // namespace perf

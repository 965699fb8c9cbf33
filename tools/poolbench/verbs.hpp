// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/common/bench/verb.hpp"

namespace perf::tool {

/// Those that look at pools alone, on connections that do nothing.
Verbs StubVerbs();
/// Those that use real servers.
Verbs ServerVerbs();

}  // namespace perf::tool

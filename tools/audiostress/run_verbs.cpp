// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

namespace perf::tool {

Verbs RunVerbs() { return {}; }

}  // namespace perf::tool

// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

namespace perf::tool {

Verbs SoundVerbs() { return {}; }

}  // namespace perf::tool

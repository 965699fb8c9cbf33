// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

namespace perf::tool {

Verbs RtpVerbs() { return {}; }

}  // namespace perf::tool

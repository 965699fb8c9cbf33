// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/common/bench/verb.hpp"

namespace perf::tool {

/// Those that pace streams: run, capacity, memory, compare, faults.
Verbs RunVerbs();
/// Those that read or speak RTP: replay, rtp.
Verbs RtpVerbs();
/// Those that turn sound into other sound: convert.
Verbs SoundVerbs();

}  // namespace perf::tool

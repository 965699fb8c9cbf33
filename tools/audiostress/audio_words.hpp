// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/audio/format.hpp"

namespace perf::tool {

/// The value of a flag such as --format. Throws: UsageError, which names the flag.
audio::AudioFormat AudioFormatOf(const std::string& flag, const std::string& word);

}  // namespace perf::tool

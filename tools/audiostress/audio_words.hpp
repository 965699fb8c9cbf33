// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/audio/cold_codec.hpp"
#include "libperf/audio/format.hpp"
#include "libperf/base/clock.hpp"

namespace perf::tool {

/// The value of a flag such as --format. Throws: UsageError, which names the flag.
audio::AudioFormat AudioFormatOf(const std::string& flag, const std::string& word);

/// The same for a time above 0.
Duration LengthOf(const std::string& flag, const std::string& word);
/// The same for --cold.
audio::ColdKind ColdKindOf(const std::string& flag, const std::string& word);

}  // namespace perf::tool

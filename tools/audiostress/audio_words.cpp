// SPDX-License-Identifier: Apache-2.0
#include "audio_words.hpp"

#include "libperf/base/error.hpp"

namespace perf::tool {

audio::AudioFormat AudioFormatOf(const std::string& flag, const std::string& word) {
  try {
    return audio::AudioFormat::Parse(word);
  } catch (const ConfigError& error) {
    throw UsageError(flag + ": " + error.what());
  }
}

}  // namespace perf::tool

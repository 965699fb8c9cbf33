// SPDX-License-Identifier: Apache-2.0
#include "audio_words.hpp"

#include "libperf/base/error.hpp"
#include "tools/common/bench/words.hpp"

namespace perf::tool {

namespace {

template <typename Read>
auto Named(const std::string& flag, Read read) {
  try {
    return read();
  } catch (const ConfigError& error) {
    throw UsageError(flag + ": " + error.what());
  }
}

}  // namespace

audio::AudioFormat AudioFormatOf(const std::string& flag, const std::string& word) {
  return Named(flag, [&] { return audio::AudioFormat::Parse(word); });
}

Duration LengthOf(const std::string& flag, const std::string& word) {
  const Duration length = DurationOf(flag, word);
  if (length == Duration::zero()) throw UsageError(flag + ": more than none");
  return length;
}

audio::ColdKind ColdKindOf(const std::string& flag, const std::string& word) {
  return Named(flag, [&] { return audio::ColdKindByName(word); });
}

}  // namespace perf::tool

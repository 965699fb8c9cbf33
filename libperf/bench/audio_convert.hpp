// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "libperf/audio/format.hpp"
#include "libperf/audio/resampler.hpp"
#include "libperf/audio/sound_file.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What the ending of a file's name says about it.
struct SoundKind {
  audio::SoundContainer container = audio::SoundContainer::kRaw;
  std::optional<audio::SampleType> type;  // of raw samples, where the ending names it
};

/// .wav, .flac, .ogg (Vorbis), .opus; raw samples: .ulaw, .alaw, .s16le, .s24le, .s32le, .f32le,
/// and .raw, .pcm and "-" of any type. Throws: UsageError for another ending.
PERF_EXPORT SoundKind SoundKindOf(const std::string& path);

/// What `audiostress convert` does; see audiostress(1).
struct AudioConvertOptions {
  std::string in, out;
  std::optional<audio::AudioFormat> from;  // of raw input; else what the header has to say
  std::optional<audio::AudioFormat> to;    // none: as the input, as far as the output holds it
  int quality = audio::Resampler::kUsualQuality;
};

/// Throws: UsageError where the formats do not fit the endings, or one is missing.
PERF_EXPORT void CheckConvert(const AudioConvertOptions& options);

/// Reads the one file and writes the other, in bounded memory; the output appears when it is
/// complete, and its header is then held against what was written.
/// Throws: ConfigError for bad input, OutputError.
PERF_EXPORT load::Result AudioConvert(const AudioConvertOptions& options, const Context& context);

}  // namespace perf::bench

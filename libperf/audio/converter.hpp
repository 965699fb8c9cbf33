// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "libperf/audio/format.hpp"
#include "libperf/audio/frame_carry.hpp"
#include "libperf/audio/resampler.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// Turns audio of one format into another: sample type, channels, rate. What comes in may be cut
/// anywhere, even within a sample: the output is the same to the last bit.
/// Thread safety: none; one stream's own. Memory: 16 KiB, and the resampler's where rates differ.
class PERF_EXPORT Converter {
 public:
  /// Throws: ConfigError for channels that cannot be mixed (neither side has one, and they differ).
  Converter(const AudioFormat& from, const AudioFormat& to, int quality = Resampler::kUsualQuality);

  const AudioFormat& From() const noexcept { return from_; }
  const AudioFormat& To() const noexcept { return to_; }
  /// Appends whole frames to `out`.
  void Convert(std::span<const std::byte> in, std::vector<std::byte>& out);
  /// Appends what the resampler still holds and begins anew. Bytes of a frame that never was
  /// finished are left out; their number.
  std::size_t Finish(std::vector<std::byte>& out);
  /// Begins anew; what waits is forgotten.
  void Reset() noexcept;

 private:
  void ConvertFrames(std::span<const std::byte> in, std::vector<std::byte>& out);
  void Resample(std::span<const float> in, std::vector<std::byte>& out);
  void Append(std::span<const float> samples, std::vector<std::byte>& out) const;

  AudioFormat from_, to_;
  FrameCarry carry_;
  std::optional<Resampler> resampler_;
  std::vector<float> read_, mixed_, resampled_;  // empty where only the type differs
};

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// How one sample is written. All are interleaved and little-endian; s24 takes three bytes; ulaw
/// and alaw are the two laws of ITU-T G.711.
enum class SampleType : std::uint8_t { kS16, kS24, kS32, kF32, kUlaw, kAlaw };

/// "s16", "s24", "s32", "f32", "ulaw" or "alaw".
PERF_EXPORT std::string_view Name(SampleType type) noexcept;
constexpr std::size_t BytesPerSample(SampleType type) noexcept {
  constexpr std::uint8_t kBytes[] = {2, 3, 4, 4, 1, 1};
  return kBytes[static_cast<std::size_t>(type)];
}

/// Rate, channels and sample type of audio. A *frame* is one sample of every channel.
/// Thread safety: a value, of which none that makes no sense exists.
class PERF_EXPORT AudioFormat {
 public:
  static constexpr std::uint32_t kMinRate = 1000, kMaxRate = 768'000;
  static constexpr unsigned kMaxChannels = 32;

  /// s16:24000:1.
  constexpr AudioFormat() noexcept = default;
  /// Throws: ConfigError for a rate outside kMinRate…kMaxRate or channels outside 1…kMaxChannels.
  AudioFormat(SampleType type, std::uint32_t rate, unsigned channels);
  /// "s16:24000:1" is sample type, frames a second, channels; without the last it has one channel.
  /// Throws: ConfigError, which names what was probably meant.
  static AudioFormat Parse(std::string_view text);
  /// What Parse reads back.
  std::string ToString() const;

  constexpr SampleType Type() const noexcept { return type_; }
  constexpr std::uint32_t Rate() const noexcept { return rate_; }
  constexpr unsigned Channels() const noexcept { return channels_; }
  constexpr std::size_t BytesPerFrame() const noexcept { return BytesPerSample(type_) * channels_; }

  /// Exact up to 2^56 frames.
  constexpr std::uint64_t BytesOf(std::uint64_t frames) const noexcept {
    return frames * BytesPerFrame();
  }
  /// The whole frames in so many bytes.
  constexpr std::uint64_t FramesIn(std::uint64_t bytes) const noexcept {
    return bytes / BytesPerFrame();
  }
  constexpr bool IsWhole(std::uint64_t bytes) const noexcept {
    return bytes % BytesPerFrame() == 0;
  }
  /// The whole frames that have ended after `time`; 0 for a negative one.
  std::uint64_t FramesIn(Duration time) const noexcept;
  /// How long so many frames take, up to the next nanosecond: so FramesIn(TimeOf(n)) == n for
  /// every n whose time Duration can hold (at least 292 years); beyond, its largest value.
  Duration TimeOf(std::uint64_t frames) const noexcept;
  /// The frames of `time` where that is a whole number of them and more than none: 20 ms are 480 at
  /// 24 kHz and nothing at 11,025 Hz.
  std::optional<std::uint64_t> WholeFrames(Duration time) const noexcept;

  friend constexpr bool operator==(const AudioFormat&, const AudioFormat&) noexcept = default;

 private:
  SampleType type_ = SampleType::kS16;
  std::uint8_t channels_ = 1;
  std::uint32_t rate_ = 24'000;
};

/// Throws: ConfigError, which names what was probably meant.
PERF_EXPORT SampleType SampleTypeByName(std::string_view name);

}  // namespace perf::audio

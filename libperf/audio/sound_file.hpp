// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/audio/format.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// How audio is kept in a file; kRaw are the samples alone.
enum class SoundContainer : std::uint8_t { kRaw, kWav, kFlac, kVorbis, kOpus };

/// "raw", "wav", "flac", "vorbis" or "opus" (both of these in Ogg).
PERF_EXPORT std::string_view Name(SoundContainer container) noexcept;

struct SoundInfo {
  SoundContainer container = SoundContainer::kRaw;
  /// Of what Read gives. What a file holds in another type comes as the one that holds it best:
  /// u8 and ADPCM as s16, double, Vorbis and Opus as f32.
  AudioFormat format;
  std::optional<std::uint64_t> frames;  // as the header says
};

/// Reads the audio of a file.
/// Thread safety: none. Memory: 16 KiB beside what the codec needs, whatever the header says.
class PERF_EXPORT SoundReader {
 public:
  virtual ~SoundReader() = default;
  const SoundInfo& Info() const noexcept { return info_; }
  /// Bytes of whole frames, as many as fit; 0 at the end. Throws: ConfigError where the file is
  /// damaged or ends before its header says, or in the middle of a frame.
  virtual std::size_t Read(std::span<std::byte> into) = 0;

 protected:
  explicit SoundReader(SoundInfo info) : info_(info) {}

 private:
  SoundInfo info_;
};

/// WAV (RF64 and RIFX, too), FLAC or Ogg, by its first bytes. `declared`: what it has to be; Vorbis
/// and Opus have no sample type of their own. Throws: ConfigError naming the file, and both formats
/// where the header says another than was declared: played on it would be noise. (Of an Ogg file
/// with broken headers libsndfile 1.2 never gives back what libvorbis had made of them: a few KB.)
PERF_EXPORT std::unique_ptr<SoundReader> OpenSound(
    const std::string& path, const std::optional<AudioFormat>& declared = std::nullopt);
/// The same of bytes, which outlive the reader.
PERF_EXPORT std::unique_ptr<SoundReader> OpenSound(
    std::span<const std::byte> bytes, const std::string& name,
    const std::optional<AudioFormat>& declared = std::nullopt);
/// Samples alone; "-" is standard input. Throws: ConfigError.
PERF_EXPORT std::unique_ptr<SoundReader> OpenRawSound(const std::string& path,
                                                      const AudioFormat& format);

/// Writes audio into a file, which appears under its name only when it is complete.
/// Thread safety: none.
class PERF_EXPORT SoundWriter {
 public:
  virtual ~SoundWriter() = default;
  /// Whole frames. Throws: OutputError.
  virtual void Write(std::span<const std::byte> pcm) = 0;
  /// Must be called at the end; without it nothing is left of the file. Throws: OutputError.
  virtual void Close() = 0;
};

/// FLAC holds s16 and s24 of up to 8 channels; Vorbis and Opus any sample type, which they turn
/// into floats; Opus 8, 12, 16, 24 and 48 kHz only.
PERF_EXPORT bool Holds(SoundContainer container, const AudioFormat& format) noexcept;

/// Throws: ConfigError for a format that the container does not hold, OutputError.
PERF_EXPORT std::unique_ptr<SoundWriter> CreateSound(const std::string& path,
                                                     SoundContainer container,
                                                     const AudioFormat& format);
/// Samples alone; "-" is standard output. Throws: OutputError.
PERF_EXPORT std::unique_ptr<SoundWriter> CreateRawSound(const std::string& path);

/// What CreateSound would write of these whole frames, in memory. Throws as CreateSound.
PERF_EXPORT std::vector<std::byte> SoundOf(SoundContainer container, const AudioFormat& format,
                                           std::span<const std::byte> pcm);

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "libperf/audio/format.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

enum class ColdKind : std::uint8_t {
  kNone,  ///< As it is.
  kFlac,  ///< Lossless; s16 and s24 of up to 8 channels; speech takes about half.
  kOpus,  ///< Lossy, 24 kbit/s a channel; 8, 12, 16, 24 and 48 kHz of up to 2 channels.
  kG711,  ///< Lossy, one byte a sample (mu-law); every format.
};

/// "none", "flac", "opus" or "g711", and back. Throws: ConfigError.
PERF_EXPORT std::string_view Name(ColdKind kind) noexcept;
PERF_EXPORT ColdKind ColdKindByName(std::string_view name);

/// Packs audio that waits, block by block; each block stands alone.
/// Thread safety: any thread, all at the same time; a thread that packs or unpacks Opus keeps 64 KB
/// for it, nothing else is kept between calls. Costs: a block of half a second of 24 kHz speech
/// takes about a millisecond (FLAC) or a hundredth of its length (Opus) to pack, less to unpack; so
/// never on a pacer's thread.
class PERF_EXPORT ColdCodec {
 public:
  ColdCodec() noexcept = default;  // kNone
  /// Throws: ConfigError, with the reason, where `kind` cannot hold `format`.
  ColdCodec(ColdKind kind, const AudioFormat& format);

  ColdKind Kind() const noexcept { return kind_; }
  const AudioFormat& Format() const noexcept { return format_; }
  bool Lossless() const noexcept {
    return kind_ == ColdKind::kNone || kind_ == ColdKind::kFlac ||
           (kind_ == ColdKind::kG711 && BytesPerSample(format_.Type()) == 1);
  }
  /// How much is best packed at a time, in frames: half a second. Any other length will do, but
  /// what a block costs beside its audio (FLAC about 90 bytes, Opus 60) is then a larger share.
  std::uint64_t BlockFrames() const noexcept { return format_.Rate() / 2; }

  /// Whole frames of Format(), packed; capacity is size. Throws: Error for half a frame, and where
  /// the codec itself fails.
  std::vector<std::byte> Encode(std::span<const std::byte> pcm) const;
  /// Fills `pcm`, which is as long as what was packed. False for a block that Encode did not write
  /// for so much of this format; then `pcm` holds anything. Takes memory for `pcm` at most twice
  /// over, whatever the block says. Throws: nothing but for lack of memory.
  bool Decode(std::span<const std::byte> block, std::span<std::byte> pcm) const;

 private:
  ColdKind kind_ = ColdKind::kNone;
  AudioFormat format_;
};

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/cache_options.hpp"

namespace perf::cache {

/// The generation that a tag had before the value was loaded.
struct TagMark {
  std::string tag;
  std::uint64_t generation = 0;
  friend bool operator==(const TagMark&, const TagMark&) = default;
};

/// What one value is in the second tier. All times are lengths, so that no two clocks are
/// ever compared: what is left follows from the tier's own remaining TTL.
struct Frame {
  enum class Kind : std::uint8_t {
    kValue = 0,
    kNegative = 1,   ///< The source has no such thing.
    kTombstone = 2,  ///< Was removed: loads that began before must not bring it back.
  };
  Kind kind = Kind::kValue;
  /// Which write this is; see StampClock.
  std::uint64_t stamp = 0;
  /// Microseconds are kept: the TTL, and the two windows past it.
  Duration ttl{};
  Duration stale_while_revalidate{};
  Duration stale_if_error{};
  Duration load_time{};
  /// The first is the tag "" of the whole cache.
  std::vector<TagMark> tags;
  std::string bytes;
};

inline constexpr std::size_t kFrameHeaderBytes = 64;
inline constexpr std::size_t kMaxFrameTags = 255;

/// magic "PKC1", version, codec, kind, tags; stamp (big endian, at kStampOffset); raw length; ttl,
/// windows and load time in microseconds; checksum (XXH3 over all else and over the key, so that a
/// frame under another key is none); tag marks; payload. Tags beyond kMaxFrameTags or longer than
/// 65,535 bytes make it a tombstone: never too valid.
PERF_EXPORT std::string EncodeFrame(std::string_view key, const Frame& frame,
                                    const CompressionOptions& compression);

/// Nothing for anything that EncodeFrame did not write for this key, or for more than `max_value`
/// bytes. Never throws but for lack of memory; allocates at most the size of `bytes` and
/// `max_value`. Thread safety: any thread.
PERF_EXPORT std::optional<Frame> DecodeFrame(std::string_view key, std::string_view bytes,
                                             std::size_t max_value);

/// XXH3, 64 bits, of any bytes.
PERF_EXPORT std::uint64_t Checksum(std::string_view bytes, std::uint64_t seed = 0) noexcept;

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::bench {

/// Ways to damage a frame of the second tier.
enum class FrameHarm : std::size_t {
  kTruncate,
  kExtend,
  kFlipBits,
  kSetBytes,
  kSplice,  // the begin of one frame and the end of another
  kRandom,  // not a frame at all
  kEmpty,
  kOfOther,  // a whole frame, but of another key
  // The checksum is made to fit again, so that what lies behind it is tried, too.
  kSealedVersion,
  kSealedCodec,
  kSealedLength,  // among them lengths that would be decompression bombs
  kSealedTags,
  kSealedTruncate,
};
inline constexpr std::size_t kFrameHarms = 13;
/// "truncate", "sealed_length" …
PERF_EXPORT std::string_view Name(FrameHarm harm) noexcept;

/// The frame of `key`, harmed; `other` is a frame of another key. May come out unharmed by chance.
/// Requires: both were made by EncodeFrame.
PERF_EXPORT std::string HarmFrame(FrameHarm harm, std::string_view key, std::string frame,
                                  std::string_view other, Random& random);

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "libperf/audio/format.hpp"
#include "libperf/base/export.hpp"

namespace perf::audio {

/// Samples of `in` (of any alignment), which is a whole number of them, as those of another type
/// into `out`, which has room for as many and does not overlap. A wider type holds a narrower one
/// exactly; into a narrower one values are rounded to the nearest (halves away from zero) and
/// clipped. Floats go from -1 to 1; what is not a number becomes 0.
/// Thread safety: pure function.
PERF_EXPORT void ConvertSamples(SampleType from, std::span<const std::byte> in, SampleType to,
                                std::span<std::byte> out) noexcept;

/// Frames of `from` channels as frames of `to`: one channel is copied into all, all are averaged
/// into one, the same number stays.
PERF_EXPORT void MixChannels(unsigned from, std::span<const float> in, unsigned to,
                             std::span<float> out) noexcept;
/// Whether MixChannels knows how.
constexpr bool CanMix(unsigned from, unsigned to) noexcept {
  return from == to || from == 1 || to == 1;
}

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace perf::audio {

/// Interleaved samples of a fixed count of channels. Thread safety: a view.
struct Frames {
  std::span<const std::int16_t> samples;
  std::size_t channels = 1;

  std::size_t Count() const noexcept { return samples.size() / channels; }
  const std::int16_t* At(std::size_t frame) const noexcept {
    return samples.data() + frame * channels;
  }
};

/// How far apart two pieces of a signal are that resemble each other most.
struct Likeness {
  std::size_t lag = 0;  ///< in frames
  /// So much so that one can be put in the place of the other unheard, or too quiet to be heard.
  bool alike = false;
};

/// Compares `window` frames from `at` on with those `lag` later (or, where `back`, earlier), for
/// lags from `least` to `most`, at a resolution of an eighth of a millisecond. Integers only in
/// what decides, so that it is the same on every machine. Thread safety: pure. Requires: all these
/// frames are there; least <= most.
Likeness FindLikeness(const Frames& signal, std::size_t at, std::size_t window, std::size_t least,
                      std::size_t most, bool back, std::uint32_t rate) noexcept;

/// Goes from `from` over to `to` in `count` frames of `channels`; `out` may be either.
void CrossFade(const std::int16_t* from, const std::int16_t* to, std::int16_t* out,
               std::size_t count, std::size_t channels) noexcept;

/// Plays `signal` into `out` in less time (leaves one pitch period out) or in more (plays one
/// twice), where that goes unheard or `anyway`: waveform similarity overlap-add (Verhelst and
/// Roelands, 1993). The count of frames that were used up; 0 where it cannot be done.
/// Thread safety: pure.
/// Shrink requires: `signal` has half as much again as `out`.
std::size_t Shrink(const Frames& signal, std::span<std::int16_t> out, std::uint32_t rate,
                   bool anyway) noexcept;
std::size_t Stretch(const Frames& signal, std::span<std::int16_t> out, std::uint32_t rate,
                    bool anyway) noexcept;

}  // namespace perf::audio

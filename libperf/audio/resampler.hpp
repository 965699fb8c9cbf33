// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "libperf/base/export.hpp"

namespace perf::audio {

/// Turns interleaved floats of one rate into those of another, band-limited (windowed sinc of
/// speexdsp). The state is kept between calls: how the input is cut into chunks changes no sample.
/// Output begins with the first frame of input, its delay taken off, and n frames in become
/// exactly ceil(n * to / from) out once it is drained.
/// Thread safety: none; one stream's own. Memory: about 3 KB at kUsualQuality for one channel
/// between common rates.
class PERF_EXPORT Resampler {
 public:
  /// Of 0 to 10. Between 24 and 8 kHz, measured: flat to 0.85 of the lower rate's band and nothing
  /// folded back above -107 dB, below what s16 holds; 3 (-88 dB, 1 dB lost there) costs two thirds
  /// of it, 10 (-129 dB) five times as much; 0 does not keep the bands apart (-22 dB).
  static constexpr int kUsualQuality = 5;

  /// Rates and channels as in AudioFormat. Throws: Error for lack of memory.
  Resampler(std::uint32_t from, std::uint32_t to, unsigned channels, int quality = kUsualQuality);
  ~Resampler();
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;

  struct Frames {
    std::size_t read = 0, written = 0;
  };
  /// Whole frames from `in` until it or the room in `out` is used up; call again with the rest
  /// while either was not empty. Never allocates.
  Frames Process(std::span<const float> in, std::span<float> out) noexcept;
  /// The frames that still wait for what follows them, as if it were silence; 0 when there are no
  /// more, and from then on it is as new. Never allocates.
  std::size_t Drain(std::span<float> out) noexcept;
  /// As new.
  void Reset() noexcept;

  /// Frames of input that an output frame waits for: the delay.
  std::size_t InputLatency() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "libperf/audio/format.hpp"

namespace perf::audio {

/// Cuts chunks of any number of bytes, as networks deliver them, into whole frames: what is left of
/// a frame waits for the next chunk. Without it one odd chunk shifts every sample that follows.
/// Thread safety: none; one stream's own.
class FrameCarry {
 public:
  explicit FrameCarry(const AudioFormat& format) noexcept : frame_(format.BytesPerFrame()) {}

  /// Calls take(span<const byte>) with whole frames, twice at most; they are read where they lie.
  template <typename Take>
  void Feed(std::span<const std::byte> chunk, Take&& take) {
    if (held_ > 0) {
      chunk = chunk.subspan(Hold(chunk.first(std::min(frame_ - held_, chunk.size()))));
      if (held_ < frame_) return;
      held_ = 0;
      take(std::span<const std::byte>(bytes_.data(), frame_));
    }
    const std::size_t whole = chunk.size() - chunk.size() % frame_;
    if (whole > 0) take(chunk.first(whole));
    Hold(chunk.subspan(whole));
  }
  /// Bytes of an unfinished frame; at the end of a stream more than 0 says that it was cut.
  std::size_t Pending() const noexcept { return held_; }
  /// Forgets them: what comes next begins a frame.
  void Reset() noexcept { held_ = 0; }

 private:
  std::size_t Hold(std::span<const std::byte> rest) noexcept {
    std::copy(rest.begin(), rest.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(held_));
    held_ += rest.size();
    return rest.size();
  }

  std::size_t frame_;
  std::size_t held_ = 0;
  std::array<std::byte, 4 * AudioFormat::kMaxChannels> bytes_;
};

}  // namespace perf::audio

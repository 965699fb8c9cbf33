// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "libperf/audio/capture/datagram.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// Tells the streams of one socket apart, by who sends them and their SSRC.
/// Thread safety: none. Memory: at most 128 bytes a stream; allocated when streams are new.
class PERF_EXPORT RtpDemux {
 public:
  explicit RtpDemux(std::size_t most) : most_(most), places_(kFirstPlaces) {}

  /// The number of a stream: they count from 0 in the order of their first packets. Nothing for a
  /// new one where `most` are known.
  std::optional<std::size_t> Find(const audio::Endpoint& source, std::uint32_t ssrc);
  std::size_t Size() const noexcept { return size_; }

 private:
  struct Place {
    audio::Endpoint source;
    std::uint32_t ssrc = 0;
    std::uint32_t number = kFree;
  };
  static constexpr std::uint32_t kFree = 0xffff'ffff;
  static constexpr std::size_t kFirstPlaces = 32;

  /// Where it is, or where it belongs.
  Place& PlaceOf(const audio::Endpoint& source, std::uint32_t ssrc) noexcept;
  void Grow();

  std::size_t most_, size_ = 0;
  std::vector<Place> places_;  // twice as many as streams at least, a power of two
};

}  // namespace perf::backends

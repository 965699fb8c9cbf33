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
/// Thread safety: none. Memory: 64 bytes for each of `most` streams, allocated when it is made.
class PERF_EXPORT RtpDemux {
 public:
  explicit RtpDemux(std::size_t most);

  /// The number of a stream: they count from 0 in the order of their first packets. Nothing for a
  /// new one where `most` are known.
  std::optional<std::size_t> Find(const audio::Endpoint& source, std::uint32_t ssrc) noexcept;
  std::size_t Size() const noexcept { return size_; }

 private:
  struct Place {
    audio::Endpoint source;
    std::uint32_t ssrc = 0;
    std::uint32_t number = kFree;
  };
  static constexpr std::uint32_t kFree = 0xffff'ffff;

  std::size_t most_, size_ = 0;
  std::vector<Place> places_;  // twice as many at least, a power of two
};

}  // namespace perf::backends

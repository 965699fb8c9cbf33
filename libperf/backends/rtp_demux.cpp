// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/rtp_demux.hpp"

#include <bit>
#include <cstring>

namespace perf::backends {
namespace {

std::uint64_t Hash(const audio::Endpoint& source, std::uint32_t ssrc) noexcept {
  std::uint64_t halves[2];
  std::memcpy(halves, source.address.data(), sizeof halves);
  std::uint64_t hash = ssrc ^ std::uint64_t{source.port} << 32;
  for (const std::uint64_t word : {halves[0], halves[1], hash}) {
    hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

RtpDemux::RtpDemux(std::size_t most) : most_(most), places_(std::bit_ceil(2 * most + 1)) {}

std::optional<std::size_t> RtpDemux::Find(const audio::Endpoint& source,
                                          std::uint32_t ssrc) noexcept {
  const std::size_t mask = places_.size() - 1;
  for (std::size_t at = Hash(source, ssrc) & mask;; at = (at + 1) & mask) {
    Place& place = places_[at];
    if (place.number == kFree) {
      if (size_ == most_) return std::nullopt;
      place = {source, ssrc, static_cast<std::uint32_t>(size_)};
      return size_++;
    }
    if (place.ssrc == ssrc && place.source == source) return place.number;
  }
}

}  // namespace perf::backends

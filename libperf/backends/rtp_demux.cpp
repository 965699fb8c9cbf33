// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/rtp_demux.hpp"

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

RtpDemux::Place& RtpDemux::PlaceOf(const audio::Endpoint& source, std::uint32_t ssrc) noexcept {
  const std::size_t mask = places_.size() - 1;
  std::size_t at = Hash(source, ssrc) & mask;
  while (places_[at].number != kFree &&
         (places_[at].ssrc != ssrc || places_[at].source != source)) {
    at = (at + 1) & mask;
  }
  return places_[at];
}

std::optional<std::size_t> RtpDemux::Find(const audio::Endpoint& source, std::uint32_t ssrc) {
  const Place& place = PlaceOf(source, ssrc);
  if (place.number != kFree) return place.number;
  if (size_ == most_) return std::nullopt;
  if (2 * (size_ + 1) > places_.size()) Grow();
  PlaceOf(source, ssrc) = {source, ssrc, static_cast<std::uint32_t>(size_)};
  return size_++;
}

void RtpDemux::Grow() {
  std::vector<Place> before(2 * places_.size());
  before.swap(places_);
  for (const Place& place : before) {
    if (place.number != kFree) PlaceOf(place.source, place.ssrc) = place;
  }
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace perf::audio {

/// What goes when a packet comes and there is no room: always whole packets.
enum class Overflow : std::uint8_t { kDropNewest, kDropOldest };

/// A run of packets that were lost, or missing, one after another is one event.
struct Xruns {
  std::uint64_t packets = 0;
  std::uint32_t events = 0;
  Xruns& operator+=(const Xruns& other) noexcept {
    packets += other.packets;
    events += other.events;
    return *this;
  }
};

}  // namespace perf::audio

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "libperf/audio/capture/datagram.hpp"
#include "libperf/audio/rtp/packet.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// What one recvmmsg brings.
/// Thread safety: none. Memory: allocated when it is made.
class PERF_EXPORT RtpInbox {
 public:
  /// `bytes`: more of a packet is cut off.
  explicit RtpInbox(std::size_t packets = 128, std::size_t bytes = 4096);
  ~RtpInbox();

  struct Packet {
    std::span<const std::byte> bytes;
    std::size_t size = 0;  // as it was sent
    audio::Endpoint source;
    TimePoint arrival;  // when the kernel had it, by perf::Clock
  };
  std::size_t Size() const noexcept;
  /// How many packets it can hold.
  std::size_t Room() const noexcept;
  /// Requires: index < Size(). Valid until the next Receive.
  Packet At(std::size_t index) const noexcept;

 private:
  friend class RtpSocket;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What one sendmmsg sends.
/// Thread safety: none. Memory: allocated when it is made. Lifetime: payloads that are not copied
/// live until it is sent.
class PERF_EXPORT RtpOutbox {
 public:
  /// `payload_bytes`: room for the payload of each packet; 0 where they are not made here.
  explicit RtpOutbox(std::size_t packets = 128, std::size_t payload_bytes = 0);
  ~RtpOutbox();

  bool Full() const noexcept;
  std::size_t Size() const noexcept;
  /// Where the payload of the packet that is added next can be made. Requires: not full.
  std::span<std::byte> PayloadRoom() noexcept;
  /// Adds header and payload; without contributing sources, extension and padding. Requires: not
  /// full. `to`: where a socket is not connected.
  void Add(const audio::RtpPacket& packet, const audio::Endpoint* to = nullptr) noexcept;

 private:
  friend class RtpSocket;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <vector>

#include "libperf/backends/rtp_batch.hpp"

namespace perf::backends {

/// The kernel's form of an endpoint.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  SocketAddress() = default;
  explicit SocketAddress(const audio::Endpoint& endpoint) noexcept;
  audio::Endpoint ToEndpoint() const noexcept;
  sockaddr* Get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* Get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

struct RtpInbox::Impl {
  static constexpr std::size_t kControlBytes =
      CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(int));

  std::size_t bytes = 0, count = 0;
  std::vector<std::byte> buffer;
  std::vector<mmsghdr> messages;
  std::vector<iovec> pieces;
  std::vector<SocketAddress> sources;
  struct alignas(cmsghdr) Control {
    std::array<std::byte, kControlBytes> bytes;
  };
  std::vector<Control> controls;
  /// When the batch was read, by either clock.
  TimePoint read_at;
  Duration read_at_utc{};
};

struct RtpOutbox::Impl {
  std::size_t payload_bytes = 0, count = 0;
  std::vector<std::byte> headers, payloads;
  std::vector<mmsghdr> messages;
  std::vector<iovec> pieces;  // two of each packet
  std::vector<SocketAddress> targets;
};

}  // namespace perf::backends

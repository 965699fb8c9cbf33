// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
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
  /// Packets that go down together, which the kernel (or the device) takes apart again.
  struct Bundle {
    std::size_t packets = 1;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> control;
  };
  std::vector<Bundle> bundles;
  std::vector<mmsghdr> bundled;

  /// From packet `first` on; how many bundles there are. `together`: more than one packet in each.
  std::size_t Bundled(std::size_t first, bool together) noexcept;

 private:
  std::size_t Alike(std::size_t first) const noexcept;
  std::size_t SizeOf(std::size_t packet) const noexcept {
    return pieces[2 * packet].iov_len + pieces[2 * packet + 1].iov_len;
  }
};

}  // namespace perf::backends

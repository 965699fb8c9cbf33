// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "libperf/audio/capture/datagram.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

class RtpInbox;
class RtpOutbox;

/// "127.0.0.1:5004", "[::1]:5004", "localhost:5004"; a name gives its first address.
/// Throws: UsageError for other text, UnreachableError for a name that cannot be resolved.
PERF_EXPORT audio::Endpoint ResolveEndpoint(const std::string& text);
/// Whether it leads to this machine and nowhere else.
PERF_EXPORT bool IsLoopback(const audio::Endpoint& endpoint) noexcept;

struct RtpSocketOptions {
  audio::Endpoint local;  // port 0: one that the system chooses
  /// Asked for each direction.
  std::size_t buffer_bytes = std::size_t{4} << 20;
  bool share_port = false;  // with other sockets: the kernel deals senders out among them
};

/// A UDP socket that is read and written in batches, without ever blocking.
/// Thread safety: one thread receives, one sends. Throws: IoError naming the address.
class PERF_EXPORT RtpSocket {
 public:
  explicit RtpSocket(const RtpSocketOptions& options);
  ~RtpSocket();
  RtpSocket(const RtpSocket&) = delete;
  RtpSocket& operator=(const RtpSocket&) = delete;

  /// From now on it hears only this one, and sends to it for less.
  void Connect(const audio::Endpoint& peer);

  /// Fills the inbox anew with what waits; how many packets. Errors that a peer caused (its port is
  /// closed) are passed over.
  std::size_t Receive(RtpInbox& inbox) noexcept;
  /// Sends all of the outbox and empties it; how many the kernel did not take. To a connected peer
  /// packets of one size that follow one another go through the kernel together (UDP_SEGMENT).
  std::size_t Send(RtpOutbox& outbox) noexcept;
  /// To be watched by a Poller.
  int Descriptor() const noexcept { return fd_; }

  const audio::Endpoint& Local() const noexcept { return local_; }
  /// Bytes that the kernel gives to packets that wait to be received.
  std::size_t ReceiveBuffer() const noexcept;
  /// Empty, or why it is less than was asked for and what is to be done.
  const std::string& BufferRemark() const noexcept { return remark_; }
  /// Packets that this socket lost because they waited too long; nothing before Linux 4.12.
  std::optional<std::uint64_t> Drops() const noexcept;

 private:
  void SetBuffers(std::size_t bytes);

  int fd_ = -1;
  bool bundles_ = true;  // packets of one size go down together
  audio::Endpoint local_;
  std::string remark_;
};

/// Of the whole machine (network namespace): UDP over IPv4 and IPv6.
struct UdpCounters {
  std::uint64_t in_datagrams = 0, rcvbuf_errors = 0, sndbuf_errors = 0;
};
/// Nothing where /proc does not tell.
PERF_EXPORT std::optional<UdpCounters> ReadUdpCounters();

}  // namespace perf::backends

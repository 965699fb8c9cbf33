// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/rtp_socket.hpp"

#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "libperf/backends/rtp_batch_impl.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

[[noreturn]] void Fail(const char* what, const audio::Endpoint& endpoint) {
  throw IoError(fmt::format("{} {}: {}", what, endpoint.ToString(), std::strerror(errno)));
}

void Set(int fd, int level, int option) noexcept {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

/// Asks for a buffer: beyond the system's bound where that is allowed; the bytes that there are.
std::size_t AskForBuffer(int fd, int forced, int usual, std::size_t bytes) noexcept {
  const int wanted = static_cast<int>(bytes);
  if (::setsockopt(fd, SOL_SOCKET, forced, &wanted, sizeof wanted) != 0) {
    ::setsockopt(fd, SOL_SOCKET, usual, &wanted, sizeof wanted);
  }
  int got = 0;
  socklen_t size = sizeof got;
  ::getsockopt(fd, SOL_SOCKET, usual, &got, &size);
  return static_cast<std::size_t>(got) / 2;  // the kernel tells what it doubled for its own needs
}

/// Not every device takes bundles, nor packets above its MTU in one; and not every kernel.
bool CannotBundle(int fault) noexcept {
  return fault == EINVAL || fault == EIO || fault == EMSGSIZE || fault == EOPNOTSUPP;
}

Duration UtcNow() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// One of /proc's counters; they stand as a line of names above one of numbers (snmp), or each
/// behind its name (snmp6).
void AddCounters(const char* path, const std::string& prefix, UdpCounters& counters, bool& known) {
  const auto add = [&](const std::string& name, std::uint64_t value) {
    if (name == "InDatagrams") counters.in_datagrams += value;
    if (name == "RcvbufErrors") counters.rcvbuf_errors += value;
    if (name == "SndbufErrors") counters.sndbuf_errors += value;
    known = known || name == "RcvbufErrors";
  };
  std::ifstream file(path);
  std::string line, values;
  while (std::getline(file, line)) {
    if (line.starts_with(prefix + ":") && std::getline(file, values)) {
      std::istringstream names(line), numbers(values);
      std::string name, number;
      while (names >> name && numbers >> number) {
        if (const auto value = ParseInteger(number)) add(name, static_cast<std::uint64_t>(*value));
      }
    } else if (line.starts_with(prefix)) {
      std::istringstream words(line.substr(prefix.size()));
      std::string name;
      std::uint64_t value = 0;
      if (words >> name >> value) add(name, value);
    }
  }
}

}  // namespace

audio::Endpoint ResolveEndpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : ParseInteger(std::string_view(text).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535 || colon == 0) {
    throw UsageError(
        fmt::format("{}: expected such as 127.0.0.1:5004 or [::1]:5004", Excerpt(text, 80)));
  }
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int fault = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); fault != 0) {
    throw UnreachableError(fmt::format("{}: {}", Excerpt(host, 80), ::gai_strerror(fault)));
  }
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  audio::Endpoint endpoint = address.ToEndpoint();
  endpoint.port = static_cast<std::uint16_t>(*port);
  return endpoint;
}

bool IsLoopback(const audio::Endpoint& endpoint) noexcept {
  if (endpoint.family == 4) return endpoint.address[0] == 127;
  constexpr std::array<std::uint8_t, 16> kOne{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return endpoint.family == 6 && endpoint.address == kOne;
}

RtpSocket::RtpSocket(const RtpSocketOptions& options) {
  SocketAddress address(options.local);
  fd_ = ::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) Fail("a UDP socket for", options.local);
  if (options.share_port) Set(fd_, SOL_SOCKET, SO_REUSEPORT);
  Set(fd_, SOL_SOCKET, SO_TIMESTAMPNS);
  SetBuffers(options.buffer_bytes);
  if (::bind(fd_, address.Get(), address.size) != 0 ||
      (address.size = sizeof address.storage, ::getsockname(fd_, address.Get(), &address.size)) !=
          0) {
    const int fault = errno;
    ::close(fd_);
    errno = fault;
    Fail("cannot listen on", options.local);
  }
  local_ = address.ToEndpoint();
}

RtpSocket::~RtpSocket() { ::close(fd_); }

void RtpSocket::SetBuffers(std::size_t bytes) {
  const std::size_t received = AskForBuffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
  const std::size_t sent = AskForBuffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
  const auto remark = [&](const char* which, std::size_t got, const char* bound) {
    if (got >= bytes) return;
    if (!remark_.empty()) remark_ += "; ";
    remark_ += fmt::format("{} buffers have {} instead of {}: run as root, or raise {} to {}",
                           which, FormatBytes(got), FormatBytes(bytes), bound, bytes);
  };
  remark("receive", received, "net.core.rmem_max");
  remark("send", sent, "net.core.wmem_max");
}

void RtpSocket::Connect(const audio::Endpoint& peer) {
  const SocketAddress address(peer);
  if (::connect(fd_, address.Get(), address.size) != 0) Fail("cannot send to", peer);
}

std::size_t RtpSocket::Receive(RtpInbox& inbox) noexcept {
  RtpInbox::Impl& batch = *inbox.impl_;
  for (std::size_t i = 0; i < batch.messages.size(); ++i) {
    msghdr& message = batch.messages[i].msg_hdr;
    message.msg_namelen = sizeof batch.sources[i].storage;
    message.msg_controllen = sizeof batch.controls[i];
  }
  int got = -1;
  do {
    got = ::recvmmsg(fd_, batch.messages.data(), static_cast<unsigned>(batch.messages.size()),
                     MSG_TRUNC, nullptr);
  } while (got < 0 && (errno == EINTR || errno == ECONNREFUSED));
  batch.count = got > 0 ? static_cast<std::size_t>(got) : 0;
  batch.read_at = Clock::now();
  batch.read_at_utc = UtcNow();
  return batch.count;
}

std::size_t RtpSocket::Send(RtpOutbox& outbox) noexcept {
  RtpOutbox::Impl& batch = *outbox.impl_;
  std::size_t sent = 0;
  // What an earlier packet came to is told once, instead of sending.
  for (int faults = 0; sent < batch.count && faults < 3;) {
    const std::size_t bundles = batch.Bundled(sent, bundles_);
    const int took = ::sendmmsg(fd_, batch.bundled.data(), static_cast<unsigned>(bundles), 0);
    for (int i = 0; i < took; ++i) sent += batch.bundles[static_cast<std::size_t>(i)].packets;
    if (took > 0) continue;
    if (batch.bundles[0].packets > 1 && CannotBundle(errno)) {
      bundles_ = false;
    } else if (errno != EINTR && errno != ECONNREFUSED) {
      break;
    } else {
      ++faults;
    }
  }
  const std::size_t left = batch.count - sent;
  batch.count = 0;
  return left;
}

std::size_t RtpSocket::ReceiveBuffer() const noexcept {
  int got = 0;
  socklen_t size = sizeof got;
  ::getsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &got, &size);
  return static_cast<std::size_t>(got) / 2;
}

std::optional<std::uint64_t> RtpSocket::Drops() const noexcept {
  std::array<std::uint32_t, SK_MEMINFO_VARS> facts{};
  socklen_t size = sizeof facts;
  if (::getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, facts.data(), &size) != 0) return std::nullopt;
  return facts[SK_MEMINFO_DROPS];
}

std::optional<UdpCounters> ReadUdpCounters() {
  UdpCounters counters;
  bool known = false;
  AddCounters("/proc/net/snmp", "Udp", counters, known);
  AddCounters("/proc/net/snmp6", "Udp6", counters, known);
  return known ? std::optional(counters) : std::nullopt;
}

}  // namespace perf::backends

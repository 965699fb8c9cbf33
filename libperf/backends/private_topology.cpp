// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/private_topology.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

// Below the range from which systems give ports to outgoing connections, the bus above included.
constexpr int kFirstPort = 10'240;
constexpr int kLastPort = 22'700;
constexpr int kBusOffset = 10'000;
constexpr int kPortAttempts = 1'000;
constexpr std::size_t kLongestReply = std::size_t{1} << 20;

sockaddr_in Loopback(int port) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

/// A socket that keeps the port, or -1.
int TryHold(int port) noexcept {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  // First without SO_REUSEADDR: another program's port is refused, even one that only waits.
  if (fd >= 0 && ::bind(fd, any, sizeof address) == 0) {
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    return fd;
  }
  if (fd >= 0) ::close(fd);
  return -1;
}

std::uint64_t RandomBits() {
  std::uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits)
    throw UnreachableError("the kernel gives no random numbers");
  return bits;
}

/// Whether `text` holds a whole reply: nested arrays are counted out, not built.
bool IsWhole(std::string_view text) {
  std::int64_t missing = 1;
  while (missing > 0) {
    const std::size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return false;
    const char type = text[0];
    const std::int64_t count = ParseInteger(text.substr(1, end - 1)).value_or(0);
    text.remove_prefix(end + 2);
    --missing;
    if (type == '*' && count > 0) missing += count;
    if (type != '$' || count < 0) continue;
    if (text.size() < static_cast<std::size_t>(count) + 2) return false;
    text.remove_prefix(static_cast<std::size_t>(count) + 2);
  }
  return true;
}

std::string ReadReply(int fd) {
  std::string reply;
  std::array<char, 4096> buffer;
  while (reply.size() < kLongestReply) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    // A process that was stopped and goes on is told so, where the wait has a limit.
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {};
    reply.append(buffer.data(), static_cast<std::size_t>(n));
    if (IsWhole(reply)) return reply;
  }
  return {};
}

bool SendAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

std::uint16_t HoldPort(bool with_bus) {
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    const int port = kFirstPort + static_cast<int>(RandomBits() % (kLastPort - kFirstPort));
    const int fd = TryHold(port);
    if (fd < 0) continue;
    if (!with_bus || TryHold(port + kBusOffset) >= 0) return static_cast<std::uint16_t>(port);
    ::close(fd);
  }
  throw UnreachableError("no free port on 127.0.0.1");
}

std::string RandomHex(std::size_t bytes) {
  std::string text;
  while (text.size() < 2 * bytes) text += fmt::format("{:016x}", RandomBits());
  text.resize(2 * bytes);
  return text;
}

std::string AskRedis(const RedisDoor& door, std::string_view command, Duration patience) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(patience).count();
  const timeval most{.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  const sockaddr_in address = Loopback(door.port);
  std::string reply;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      SendAll(fd, fmt::format("AUTH {}\r\n", door.password)) && ReadReply(fd) == "+OK\r\n" &&
      SendAll(fd, fmt::format("{}\r\n", command)))
    reply = ReadReply(fd);
  ::close(fd);
  return reply;
}

std::string ResolveTopologyUrl(const PrivateServers& servers, std::string_view name) {
  return servers.Url(name);
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/raw_stream.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace perf::backends::test {
namespace {

constexpr int kPatience = 20'000;  // ms

struct Where {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);
  sockaddr* Raw() { return reinterpret_cast<sockaddr*>(&storage); }
};

Where ToWhere(const StreamAddress& address) {
  Where where;
  auto& v4 = reinterpret_cast<sockaddr_in&>(where.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(where.storage);
  auto& local = reinterpret_cast<sockaddr_un&>(where.storage);
  if (!address.unix_socket.empty()) {
    local.sun_family = AF_UNIX;
    address.unix_socket.copy(local.sun_path, sizeof local.sun_path - 1);
    where.length = sizeof local;
  } else if (address.host == "::1") {
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    v6.sin6_port = htons(address.port);
    where.length = sizeof v6;
  } else {
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4.sin_port = htons(address.port);
    where.length = sizeof v4;
  }
  return where;
}

bool Wait(int fd, short events, int ms = kPatience) {
  pollfd poll{fd, events, 0};
  return ::poll(&poll, 1, ms) == 1;
}

}  // namespace

RawStream::RawStream(const StreamAddress& address) {
  Where where = ToWhere(address);
  fd_ = UniqueFd(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd_.Get(), where.Raw(), where.length) != 0) error_ = errno;
}

bool RawStream::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!Wait(fd_.Get(), POLLOUT)) return false;
    const ssize_t sent = ::send(fd_.Get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string RawStream::Receive(std::size_t count) {
  std::string bytes;
  std::array<char, 65536> buffer;
  while (bytes.size() < count && Wait(fd_.Get(), POLLIN)) {
    const std::size_t wanted = std::min(buffer.size(), count - bytes.size());
    const ssize_t got = ::recv(fd_.Get(), buffer.data(), wanted, 0);
    if (got <= 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return bytes;
}

RawStream::Rest RawStream::ReceiveAll() {
  Rest rest;
  std::array<char, 65536> buffer;
  while (Wait(fd_.Get(), POLLIN)) {
    const ssize_t got = ::recv(fd_.Get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
      rest.error = got == 0 ? 0 : errno;
      return rest;
    }
    rest.bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  rest.error = ETIMEDOUT;
  return rest;
}

void RawStream::EndSending() { ::shutdown(fd_.Get(), SHUT_WR); }

bool RawStream::Readable() const { return Wait(fd_.Get(), POLLIN, 0); }

void RawStream::Reset() {
  const linger now{1, 0};
  ::setsockopt(fd_.Get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  Close();
}

RawListener::RawListener(const std::string& where) {
  if (where.starts_with('/')) {
    address_.unix_socket = where;
  } else {
    address_.host = where;
  }
  Where at = ToWhere(address_);
  fd_ = UniqueFd(::socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(fd_.Get(), at.Raw(), at.length) == 0);
  REQUIRE(::listen(fd_.Get(), 1024) == 0);
  if (!address_.unix_socket.empty()) return;
  REQUIRE(::getsockname(fd_.Get(), at.Raw(), &at.length) == 0);
  // sin_port and sin6_port lie at the same place.
  address_.port = ntohs(reinterpret_cast<sockaddr_in&>(at.storage).sin_port);
}

RawListener::~RawListener() {
  if (!address_.unix_socket.empty()) ::unlink(address_.unix_socket.c_str());
}

RawStream RawListener::Accept() {
  REQUIRE(Wait(fd_.Get(), POLLIN));
  return RawStream(UniqueFd(::accept4(fd_.Get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

bool RawListener::Pending() const { return Wait(fd_.Get(), POLLIN, 0); }

}  // namespace perf::backends::test

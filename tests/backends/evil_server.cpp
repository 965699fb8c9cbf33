// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/evil_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace perf::test {
namespace {

void Require(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

/// The Content-Length of a request's head; these clients never chunk.
std::size_t BodyLength(const std::string& head) {
  const std::size_t at = head.find("\r\nContent-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 18));
}

sockaddr_storage AddressOf(const std::string& where, socklen_t& length) {
  sockaddr_storage storage{};
  if (where == "127.0.0.1") {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    length = sizeof v4;
  } else if (where == "::1") {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    length = sizeof v6;
  } else {
    auto& local = reinterpret_cast<sockaddr_un&>(storage);
    local.sun_family = AF_UNIX;
    where.copy(local.sun_path, sizeof local.sun_path - 1);
    length = sizeof local;
  }
  return storage;
}

}  // namespace

EvilServer::EvilServer(Script script, const std::string& where) : script_(std::move(script)) {
  socklen_t length = 0;
  sockaddr_storage storage = AddressOf(where, length);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  listener_ = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Require(listener_ >= 0, "socket");
  Require(::bind(listener_, address, length) == 0, "bind");
  Require(::listen(listener_, 512) == 0, "listen");
  if (storage.ss_family == AF_UNIX) {
    path_ = where;
  } else {
    ::getsockname(listener_, address, &length);
    // sin_port and sin6_port lie at the same place.
    port_ = ntohs(reinterpret_cast<sockaddr_in&>(storage).sin_port);
  }
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  acceptor_ = std::jthread([this] { Accept(); });
}

EvilServer::~EvilServer() {
  const std::uint64_t one = 1;
  if (::write(stop_, &one, sizeof one) != sizeof one) std::terminate();
  acceptor_.join();
  peers_.clear();
  ::close(listener_);
  ::close(stop_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

void EvilServer::Accept() {
  for (;;) {
    std::array<pollfd, 2> wait{pollfd{listener_, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
    ::poll(wait.data(), wait.size(), -1);
    if (wait[1].revents != 0) return;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) continue;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int number = ++connections_;
    peers_.emplace_back([this, fd, number] {
      Peer peer(*this, fd, number);
      script_(peer);
    });
  }
}

EvilServer::Peer::~Peer() {
  if (fd_ >= 0) ::close(fd_);
}

bool EvilServer::Peer::Wait(short events) {
  std::array<pollfd, 2> wait{pollfd{fd_, events, 0}, pollfd{server_.stop_, POLLIN, 0}};
  ::poll(wait.data(), wait.size(), -1);
  return wait[1].revents == 0;
}

bool EvilServer::Peer::Fill() {
  std::array<char, 65536> buffer;
  for (;;) {
    if (!Wait(POLLIN)) return false;
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return false;
    input_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }
}

bool EvilServer::Peer::ReadRequest() {
  std::size_t end = 0;
  while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return false;
  }
  head_ = input_.substr(0, end + 4);
  input_.erase(0, end + 4);
  const std::size_t length = BodyLength(head_);
  while (input_.size() < length) {
    if (!Fill()) return false;
  }
  body_ = input_.substr(0, length);
  input_.erase(0, length);
  ++server_.requests_;
  return true;
}

bool EvilServer::Peer::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno != EAGAIN || !Wait(POLLOUT)) {
      return false;
    }
  }
  return true;
}

bool EvilServer::Peer::SendSlowly(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (!Send(bytes.substr(i, 1))) return false;
  }
  return true;
}

void EvilServer::Peer::AwaitClose() {
  while (Fill()) {
  }
  ++server_.hang_ups_;
}

void EvilServer::Peer::Reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(fd_);
  fd_ = -1;
}

}  // namespace perf::test

// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/raw_http.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::backends {

RawClient::RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot connect");
}

RawClient::~RawClient() { ::close(fd_); }

void RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("cannot send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool RawClient::Fill() {
  char bytes[16384];
  const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
  if (n < 0) throw std::runtime_error("nothing came in time, or the connection was reset");
  buffer_.append(bytes, static_cast<std::size_t>(n));
  return n > 0;
}

std::string RawClient::Line() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos)
    if (!Fill()) throw std::runtime_error("the connection ended within a line");
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::string RawClient::Bytes(std::size_t count) {
  while (buffer_.size() < count)
    if (!Fill()) throw std::runtime_error("the connection ended within a body");
  std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return bytes;
}

RawReply RawClient::Receive(bool to_head) {
  RawReply reply;
  const std::string first = Line();
  if (first.size() < 12 || !first.starts_with("HTTP/1.1 ")) throw std::runtime_error(first);
  reply.status = std::stoi(first.substr(9, 3));
  for (std::string line = Line(); !line.empty(); line = Line()) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) throw std::runtime_error("no field: " + line);
    reply.fields[ToLower(line.substr(0, colon))] = line.substr(colon + 2);
  }
  if (to_head || reply.status == 204 || reply.status == 304 || reply.status < 200) return reply;
  if (reply.fields.contains("content-length")) {
    reply.body = Bytes(std::stoul(reply.fields["content-length"]));
  } else if (reply.fields.contains("transfer-encoding")) {
    for (;;) {
      const std::size_t size = std::stoul(Line(), nullptr, 16);
      reply.body += Bytes(size);
      if (Bytes(2) != "\r\n") throw std::runtime_error("a chunk without its end");
      if (size == 0) break;
      reply.chunks.push_back(size);
    }
  } else {
    while (Fill()) {
    }
    reply.body = std::exchange(buffer_, {});
  }
  return reply;
}

RawReply RawClient::Ask(std::string_view method, std::string_view target, std::string_view body,
                        std::string_view fields) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}", method, target, fields);
  if (!body.empty()) text += fmt::format("Content-Length: {}\r\n", body.size());
  Send(text + "\r\n" + std::string(body));
  return Receive(method == "HEAD");
}

bool RawClient::AtEnd() { return buffer_.empty() && !Fill(); }

}  // namespace perf::backends

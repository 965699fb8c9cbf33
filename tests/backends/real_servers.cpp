// SPDX-License-Identifier: Apache-2.0
#include "real_servers.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends::test {
namespace {

struct Started {
  explicit Started(PrivateSpec::Kind kind) {
    std::array<PrivateSpec, 1> specs;
    specs[0].name = "server";
    specs[0].kind = kind;
    try {
      servers = PrivateServers::Start(specs, Soon());
      url = servers.Url("server");
    } catch (const UnreachableError& error) {
      MESSAGE("skipped: " << error.what());
    }
  }
  PrivateServers servers;
  std::optional<std::string> url;
};

Task<void> ThenStop(EventLoop& loop, Task<void> body) {
  co_await std::move(body);
  loop.Stop();
}

}  // namespace

const std::optional<std::string>& PostgresConninfo() {
  static const Started started(PrivateSpec::Kind::kPostgres);
  return started.url;
}

const std::optional<std::string>& RedisUrl() {
  static const Started started(PrivateSpec::Kind::kRedis);
  return started.url;
}

void RunOn(EventLoop& loop, Task<void> body) {
  loop.Spawn(ThenStop(loop, std::move(body)));
  loop.Run();
}

Deadline Soon() { return Deadline::After(Clock::now(), std::chrono::seconds(60)); }

Task<bool> Await(EventLoop& loop, std::function<bool()> condition) {
  const Deadline deadline = Soon();
  while (!condition()) {
    if (deadline.Passed(Clock::now())) co_return false;
    co_await loop.SleepUntil(Clock::now() + std::chrono::milliseconds(2));
  }
  co_return true;
}

int ClosedPort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

}  // namespace perf::backends::test

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/hiredis_asio.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

#include "redis_bench.hpp"

namespace perf::backends {
namespace {

using test::Command;
using test::RunOn;
using test::Soon;
using Bench = test::RedisBench;

/// A peer on loopback that is asked PING by the dial, answers what comes then with its own bytes,
/// and waits for the end.
class RawServer {
 public:
  RawServer(std::string answer, bool hang_up)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(listener_, 1) == 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    url = "redis://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::jthread([this, answer = std::move(answer), hang_up] { Serve(answer, hang_up); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string url;

 private:
  void Serve(const std::string& answer, bool hang_up) const {
    const int fd = ::accept(listener_, nullptr, nullptr);
    char bytes[4096];
    const auto heard = [&] { return fd >= 0 && ::recv(fd, bytes, sizeof bytes, 0) > 0; };
    if (heard()) ::send(fd, "+PONG\r\n", 7, MSG_NOSIGNAL);
    if (heard()) {
      ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (hang_up) ::shutdown(fd, SHUT_WR);
      while (::recv(fd, bytes, sizeof bytes, 0) > 0) {
      }
    }
    if (fd >= 0) ::close(fd);
  }
  int listener_;
  std::jthread thread_;
};

/// A number within so many arrays.
std::string Nested(int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += "*1\r\n";
  return text + ":1\r\n";
}

struct RawCase {
  const char* name;
  std::string answer;
  bool hang_up;
  ErrorKind kind;
  bool reusable;
  const char* text;
};

Task<void> AskRaw(Bench& bench, const RawCase& expected) {
  auto connection = co_await bench.Connect();
  const auto command = Command({"GET", "x"});
  RedisReply reply;
  const Deadline deadline = expected.kind == ErrorKind::kTimeout
                                ? Deadline::After(Clock::now(), std::chrono::milliseconds(30))
                                : Soon();
  co_await connection->Execute(command, reply, deadline);
  CAPTURE(reply.failure.text);
  CHECK(reply.failure.kind == expected.kind);
  CHECK(reply.failure.text.find(expected.text) != std::string::npos);
  CHECK(connection->Reusable() == expected.reusable);
}

TEST_CASE("redis: garbage, half replies, stray replies and servers of no use") {
  const RawCase cases[] = {
      {"text", "HTTP/1.1 200 OK\r\n\r\n", false, ErrorKind::kProtocol, false, "\"H\""},
      {"zeros", std::string(100, '\0'), false, ErrorKind::kProtocol, false, ""},
      {"half", "$10\r\nabc", true, ErrorKind::kProtocol, false, "closed"},
      {"nothing", "", true, ErrorKind::kProtocol, false, "closed"},
      {"silence", "", false, ErrorKind::kTimeout, false, "timed out"},
      {"stall", "$10\r\nabc", false, ErrorKind::kTimeout, false, "timed out"},
      {"length", "$-7\r\n", false, ErrorKind::kProtocol, false, ""},
      {"huge", "*2000000000\r\n", false, ErrorKind::kProtocol, false, ""},
      {"deep", Nested(65), false, ErrorKind::kProtocol, false, ""},
      {"bottomless", Nested(100'000), false, ErrorKind::kProtocol, false, ""},
#if HIREDIS_MAJOR >= 1
      {"as deep as allowed", Nested(64), false, ErrorKind::kNone, true, ""},
#endif
      {"stray", "$1\r\na\r\n$1\r\nb\r\n", false, ErrorKind::kNone, false, ""},
      {"fine", "$1\r\na\r\n", false, ErrorKind::kNone, true, ""},
      {"loading", "-LOADING Redis is loading\r\n", false, ErrorKind::kStatus, false, "LOADING"},
      {"demoted", "-READONLY You can't write\r\n", false, ErrorKind::kStatus, false, "READONLY"},
      {"orphan", "-MASTERDOWN Link is down\r\n", false, ErrorKind::kStatus, false, "MASTERDOWN"},
      {"moved", "-MOVED 1 127.0.0.1:1\r\n", false, ErrorKind::kStatus, true, "MOVED"},
  };
  for (const RawCase& expected : cases) {
    CAPTURE(expected.name);
    RawServer server(expected.answer, expected.hang_up);
    Bench bench(server.url);
    RunOn(bench.loop, AskRaw(bench, expected));
  }
}

}  // namespace
}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/front.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/guarded.hpp"
#include "libperf/service/client.hpp"
#include "libperf/service/run_directory.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

Deadline In(Duration length) { return Deadline::After(Clock::now(), length); }

/// A client that does as it is told.
class Wire {
 public:
  explicit Wire(std::uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Wire() { ::close(fd_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void Send(const std::string& text) { ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  /// All until the server closes.
  std::string Rest() {
    std::string text;
    char bytes[4096];
    for (;;) {
      pollfd watched{fd_, POLLIN, 0};
      if (::poll(&watched, 1, 20'000) <= 0) return text + "(no end)";
      const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) return text;
      text.append(bytes, static_cast<std::size_t>(got));
    }
  }
  /// Until that much has come.
  std::string Take(const std::string& end) {
    std::string text;
    char byte = 0;
    while (text.find(end) == text.npos) {
      pollfd watched{fd_, POLLIN, 0};
      if (::poll(&watched, 1, 20'000) <= 0 || ::recv(fd_, &byte, 1, 0) != 1) return text + "(cut)";
      text += byte;
    }
    return text;
  }

 private:
  int fd_;
};

struct Served {
  explicit Served(FrontLimits limits = {}, Front::Handler handler = Echo)
      : front(std::move(handler), limits, [this](const Peer&, const char* reason) {
          auto list = refused.Lock();
          list->emplace_back(reason);
        }) {
    port = front.ListenTcp({"127.0.0.1", 0, true}).port;
    front.Start();
  }
  static Reply Echo(const Request& request) {
    Json body = Json::MakeObject();
    body["method"] = request.method;
    body["path"] = request.path;
    body["query"] = request.query;
    body["body"] = request.body;
    body["peer"] = request.peer.address;
    body["loopback"] = request.peer.loopback;
    body["local"] = request.peer.local;
    return JsonReply(body);
  }
  std::string Exchange(const std::string& text) {
    Wire wire(port);
    wire.Send(text);
    return wire.Rest();
  }

  Guarded<std::vector<std::string>> refused;
  Front front;
  std::uint16_t port = 0;
};

TEST_CASE("front: GET, HEAD and POST over TCP, one after the other on one connection") {
  Served served;
  Wire wire(served.port);
  wire.Send(
      "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\nHEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  const std::string get = wire.Take("}\n");
  CHECK(get.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(get.find(R"({"method":"GET","path":"/a","query":"b=c","body":"","peer":"127.0.0.1",)"
                 R"("loopback":true,"local":false})") != get.npos);
  CHECK(get.find("\r\nETag: ") != get.npos);
  const std::string head = wire.Take("\r\n\r\n");
  CHECK(head.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(head.find("\r\nContent-Length: ") != head.npos);
  CHECK(head.find("\r\nContent-Length: 0\r\n") == head.npos);
  const std::string post = wire.Take("}\n");
  CHECK(post.find(R"("method":"POST")") != post.npos);
  CHECK(post.find(R"("body":"hello")") != post.npos);
  CHECK(served.front.Counters().requests == 3);
}

TEST_CASE("front: over a unix socket the kernel says who asks") {
  const test::ScratchDir scratch;
  const RunDirectory directory(scratch / "run");
  UnixListener listener = directory.Listen("agent");
  std::atomic<bool> known{false};
  Front front([&](const Request& request) {
    known = request.peer.local && request.peer.uid == ::geteuid() && request.peer.pid == ::getpid();
    return JsonReply(Json::MakeObject());
  });
  front.ListenUnix(listener.TakeSocket());
  front.Start();
  const auto found = AskAll({scratch / "run", scratch / "none"}, "/x", In(20s));
  REQUIRE(found.size() == 1);
  CHECK(found[0].socket == listener.Path());
  CHECK(found[0].answer.error == "");
  CHECK(found[0].answer.status == 200);
  CHECK(found[0].answer.body == "{}\n");
  CHECK(known);
}

TEST_CASE("front: what is malformed or too large is refused, told and survived") {
  FrontLimits limits;
  limits.header = 1024;
  limits.body = 100;
  Served served(limits);
  struct Row {
    std::string text;
    const char* status;
  };
  const std::vector<Row> rows = {
      {"nonsense\r\n\r\n", "400"},
      {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
      {"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"GET /%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(2000, 'a') + "\r\n\r\n", "431"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'b'), "413"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" +
           std::string(255, 'b') + "\r\n0\r\n\r\n",
       "413"},
      // Of an extension and of trailers no more is kept than of a header.
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
           std::string(100'000, 'e'),
       "431"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " +
           std::string(100'000, 'a'),
       "431"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nbb", "400"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "400"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text.substr(0, 60));
    const std::string reply = served.Exchange(row.text);
    CHECK(reply.find(std::string("HTTP/1.1 ") + row.status) == 0);
    CHECK(reply.find("application/problem+json") != reply.npos);
    CHECK(reply.find("Connection: close") != reply.npos);
  }
  CHECK(served.front.Counters().bad == rows.size());
  {
    auto refused = served.refused.Lock();
    CHECK(refused->size() == rows.size());
    CHECK(refused->back() == "bad_request");
  }
  CHECK(served.Exchange("GET /ok HTTP/1.0\r\n\r\n").find("HTTP/1.1 200 OK") == 0);
}

TEST_CASE("front: who sends slowly or nothing is closed, others do not notice") {
  FrontLimits limits;
  limits.request = 300ms;
  limits.idle = 400ms;
  Served served(limits);
  Wire silent(served.port), slow(served.port), after(served.port);
  slow.Send("GET / HTTP/1.1\r\nHost: ");
  after.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(after.Take("}\n").find("200 OK") != std::string::npos);
  CHECK(served.Exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").find("200 OK") !=
        std::string::npos);
  CHECK(silent.Rest() == "");
  CHECK(slow.Rest() == "");
  CHECK(after.Rest() == "");
  CHECK(served.front.Counters().expired == 3);
}

TEST_CASE("front: where it is full, the one that has waited longest makes room") {
  FrontLimits limits;
  limits.connections = 4;
  Served served(limits);
  std::vector<std::unique_ptr<Wire>> idle;
  for (int i = 0; i < 12; ++i) {
    idle.push_back(std::make_unique<Wire>(served.port));
    idle.back()->Send("GET / HTTP/1.1\r\n");
    CHECK(
        served.Exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").find("200 OK") !=
        std::string::npos);
  }
  CHECK(idle.front()->Rest() == "");
  CHECK(served.front.Counters().shed >= 8);
  CHECK(served.front.Counters().open <= 4);
}

TEST_CASE("front: a handler that throws is a 500 without its secrets") {
  Served served({}, [](const Request&) -> Reply { throw std::runtime_error("password=geheim"); });
  const std::string reply =
      served.Exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(reply.find("HTTP/1.1 500 ") == 0);
  CHECK(reply.find("geheim") == reply.npos);
}

TEST_CASE("front: a stop lets replies under way be taken") {
  std::mutex mutex;
  std::condition_variable changed;
  bool inside = false, open = false;
  Served served({}, [&](const Request&) {
    std::unique_lock lock(mutex);
    inside = true;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
    return JsonReply(Json("late"));
  });
  Wire wire(served.port), idle(served.port);
  wire.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 20s, [&] { return inside; }));
  }
  std::atomic<bool> clean{false};
  std::thread stopper([&] { clean = served.front.Stop(In(20s)); });
  CHECK(idle.Rest() == "");  // the stop has begun
  {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  const std::string reply = wire.Rest();
  CHECK(reply.find("\"late\"") != reply.npos);
  CHECK(reply.find("Connection: close") != reply.npos);
  stopper.join();
  CHECK(clean);
}

TEST_CASE("client: a peer that does not answer, and one that is not there") {
  const test::ScratchDir scratch;
  const RunDirectory directory(scratch / "run");
  UnixListener deaf = directory.Listen("agent");  // listens, but nobody accepts
  const Answer late = Ask({.socket = deaf.Path()}, In(50ms));
  CHECK(late.error == "no answer in time");
  CHECK(Ask({.socket = scratch / "none.sock"}, In(1s)).error == "No such file or directory");
  CHECK(Ask({.host = "example.org", .port = 80}, In(1s)).error ==
        "not a numeric address or a socket's path");
}

}  // namespace
}  // namespace perf::service

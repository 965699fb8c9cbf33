// SPDX-License-Identifier: Apache-2.0
// One suite over both HTTP clients: what is sent, and replies as they should be.
#include <doctest/doctest.h>

#include <string>

#include "libperf/base/error.hpp"
#include "tests/backends/http_clients.hpp"

namespace perf::test {
namespace {

using backends::HttpConfig;
using backends::HttpReply;
using backends::HttpRequest;
using Peer = EvilServer::Peer;
using namespace std::chrono_literals;

}  // namespace

TEST_CASE_TEMPLATE("http: status, headers, body and clocks of a plain reply", Client,
                   BOTH_CLIENTS) {
  EvilServer server(
      Always("HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Two:  a b \r\nx-empty:\r\n\r\nhello"));
  HttpUser user(ConfigFor<Client>(server));
  const HttpReply reply = user.Run(KeepAll());
  CHECK_MESSAGE(!reply.failure, reply.failure.text);
  CHECK(reply.status == 201);
  CHECK(reply.version == 11);
  CHECK(reply.body == "hello");
  CHECK(reply.body_bytes == 5);
  REQUIRE(reply.Header("x-two") != nullptr);
  CHECK(*reply.Header("x-two") == "a b");
  REQUIRE(reply.Header("X-Empty") != nullptr);
  CHECK(reply.Header("X-Empty")->empty());
  CHECK(reply.Header("absent") == nullptr);
  CHECK(reply.timing.sent <= reply.timing.first_byte);
  CHECK(reply.timing.first_byte <= reply.timing.done);
}

TEST_CASE_TEMPLATE("http: body and headers that nobody wants are counted and dropped", Client,
                   BOTH_CLIENTS) {
  EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  HttpUser user(ConfigFor<Client>(server));
  const HttpReply reply = user.Get();
  CHECK(reply.body_bytes == 5);
  CHECK(reply.body.empty());
  CHECK(reply.headers.empty());
}

TEST_CASE_TEMPLATE("http: the begin of an error's body is kept unasked", Client, BOTH_CLIENTS) {
  const std::string body(2000, 'e');
  EvilServer server(
      Always("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2000\r\n\r\n" + body));
  HttpUser user(ConfigFor<Client>(server));
  const HttpReply reply = user.Get();
  CHECK(reply.status == 503);
  CHECK(reply.body_bytes == body.size());
  CHECK(reply.body == body.substr(0, backends::kErrorBodyKept));
}

TEST_CASE_TEMPLATE("http: what is sent", Client, BOTH_CLIENTS) {
  EvilServer server([](Peer& peer) {
    while (peer.ReadRequest()) {
      const std::string echo = peer.Head() + peer.Body();
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(echo.size()) + "\r\n\r\n" +
                echo);
    }
  });
  HttpConfig config = ConfigFor<Client>(server);
  config.base.user = "guest";
  config.base.password = "pa:ss";
  config.headers = {{"X-Every", "1"}, {"X-Over", "config"}};
  HttpUser user(config);

  HttpRequest request = KeepAll();
  request.target = "/a/../b?q=%20#";
  std::string seen = user.Run(request).body;
  CHECK(seen.find("GET /a/../b?q=%20# HTTP/1.1\r\n") == 0);
  CHECK(seen.find("Host: 127.0.0.1:" + std::to_string(server.Port()) + "\r\n") !=
        std::string::npos);
  CHECK(seen.find("\r\nUser-Agent: perfkit\r\n") != std::string::npos);
  CHECK(seen.find("\r\nAuthorization: Basic Z3Vlc3Q6cGE6c3M=\r\n") != std::string::npos);
  CHECK(seen.find("\r\nX-Every: 1\r\n") != std::string::npos);
  CHECK(seen.find("\r\nX-Over: config\r\n") != std::string::npos);
  for (const char* unwanted : {"Content-Length", "Expect", "Accept", "Content-Type", "Cookie"}) {
    CAPTURE(unwanted);
    CHECK(seen.find(unwanted) == std::string::npos);
  }

  request.method = "POST";
  request.target = "/tts";
  request.headers = {{"Content-Type", "application/json"}, {"x-over", "request"}, {"X-Nil", ""}};
  request.body = "{}";
  seen = user.Run(request).body;
  CHECK(seen.find("POST /tts HTTP/1.1\r\n") == 0);
  CHECK(seen.find("\r\nx-over: request\r\n") != std::string::npos);
  CHECK(seen.find("\r\nX-Over: config\r\n") == std::string::npos);
  CHECK(seen.find("\r\nX-Nil:") != std::string::npos);
  CHECK(seen.find("\r\nContent-Type: application/json\r\n") != std::string::npos);
  CHECK(seen.find("\r\nContent-Length: 2\r\n") != std::string::npos);
  CHECK(seen.substr(seen.size() - 6) == "\r\n\r\n{}");

  // One handle, method after method: nothing of one request may stick to the next.
  request = KeepAll();
  request.method = "DELETE";
  seen = user.Run(request).body;
  CHECK(seen.find("DELETE / HTTP/1.1\r\n") == 0);
  CHECK(seen.find("Content-") == std::string::npos);
  request.method = "PUT";
  seen = user.Run(request).body;
  CHECK(seen.find("PUT / HTTP/1.1\r\n") == 0);
  CHECK(seen.find("\r\nContent-Length: 0\r\n") != std::string::npos);
  request.method = "PATCH";
  request.body = "abc";
  CHECK(user.Run(request).body.find("PATCH / HTTP/1.1\r\n") == 0);
  request.method = "GET";
  CHECK(user.Run(request).body.find("GET / HTTP/1.1\r\n") == 0);
  request.body.clear();
  seen = user.Run(request).body;
  CHECK(seen.find("GET / HTTP/1.1\r\n") == 0);
  CHECK(seen.find("Content-Length") == std::string::npos);
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: a request that would smuggle another in is not sent", Client,
                   BOTH_CLIENTS) {
  EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  HttpUser user(ConfigFor<Client>(server));
  HttpRequest request;
  SUBCASE("value") { request.headers = {{"X-A", "1\r\nX-B: 2"}}; }
  SUBCASE("name") { request.headers = {{"X-A: 1\r\nX-B", "2"}}; }
  SUBCASE("target") { request.target = "/ HTTP/1.1\r\nX-B: 2"; }
  SUBCASE("blank") { request.target = "/a b"; }
  SUBCASE("method") { request.method = "GET / HTTP/1.1\r\nX"; }
  SUBCASE("length") { request.headers = {{"content-length", "5"}}; }
  CheckProtocolFailure(user.Run(request));
  CHECK(server.Requests() == 0);
  const HttpReply good = user.Get();
  CHECK_MESSAGE(!good.failure, good.failure.text);
}

TEST_CASE_TEMPLATE("http: a connection is kept for the next request", Client, BOTH_CLIENTS) {
  EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 20; ++i) CHECK_FALSE(user.Get().failure);
  CHECK(server.Requests() == 20);
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: HTTP/1.0 closes unless it says otherwise", Client, BOTH_CLIENTS) {
  bool kept = false;
  std::string extra;
  SUBCASE("silent") {}
  SUBCASE("keep-alive") {
    kept = true;
    extra = "Connection: keep-alive\r\n";
  }
  EvilServer server([&](Peer& peer) {
    while (peer.ReadRequest()) {
      peer.Send("HTTP/1.0 200 OK\r\n" + extra + "Content-Length: 2\r\n\r\nok");
      if (!kept) return;
    }
  });
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = user.Get();
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.version == 10);
  }
  CHECK(server.Connections() == (kept ? 1 : 3));
}

TEST_CASE_TEMPLATE("http: Connection: close is obeyed, even by a server that does not hang up",
                   Client, BOTH_CLIENTS) {
  EvilServer server(
      Always("HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok"));
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 3; ++i) CHECK_FALSE(user.Get().failure);
  CHECK(server.Connections() == 3);
}

TEST_CASE_TEMPLATE("http: chunked bodies, with extensions and trailers", Client, BOTH_CLIENTS) {
  EvilServer server(
      Always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5;name=\"value\"\r\nhello\r\n0A\r\n, chunked \r\n0005\r\nworld\r\n"
             "0;last\r\nX-Trailer: 1\r\n\r\n"));
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = user.Run(KeepAll());
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.body == "hello, chunked world");
    CHECK(reply.body_bytes == 20);
    CHECK(reply.Header("X-Trailer") != nullptr);
  }
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: interim replies are skipped", Client, BOTH_CLIENTS) {
  EvilServer server(
      Always("HTTP/1.1 100 Continue\r\n\r\n"
             "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 2; ++i) {
    const HttpReply reply = user.Run(KeepAll());
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.status == 200);
    CHECK(reply.Header("Link") == nullptr);
    CHECK(reply.body == "ok");
  }
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: replies without a body by their nature", Client, BOTH_CLIENTS) {
  std::string method = "GET";
  std::string head;
  SUBCASE("HEAD") {
    method = "HEAD";
    head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
  }
  SUBCASE("HEAD, chunked") {
    method = "HEAD";
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  }
  SUBCASE("204") { head = "HTTP/1.1 204 No Content\r\n\r\n"; }
  SUBCASE("304") { head = "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"; }
  SUBCASE("empty") { head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"; }
  SUBCASE("empty, chunked") {
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  }
  EvilServer server(Always(head));
  HttpUser user(ConfigFor<Client>(server));
  HttpRequest request = KeepAll();
  request.method = method;
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = user.Run(request);
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.body_bytes == 0);
  }
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: 64 MiB go through, and no more is kept than asked for", Client,
                   BOTH_CLIENTS) {
  constexpr std::size_t kBlock = 1 << 20;
  constexpr std::uint64_t kTotal = 64 * kBlock;
  bool chunked = false;
  SUBCASE("by length") {}
  SUBCASE("chunked") { chunked = true; }
  EvilServer server([chunked](Peer& peer) {
    const std::string block(kBlock, 'x');
    while (peer.ReadRequest()) {
      peer.Send(chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        : "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
      for (int i = 0; i < 64; ++i) {
        if (!peer.Send(chunked ? "100000\r\n" + block + "\r\n" : block)) return;
      }
      if (chunked) peer.Send("0\r\n\r\n");
    }
  });
  HttpConfig config = ConfigFor<Client>(server);
  config.max_body_kept = 1000;
  HttpUser user(config);
  const HttpReply reply = user.Run(KeepAll(), 60s);
  CHECK_MESSAGE(!reply.failure, reply.failure.text);
  CHECK(reply.body_bytes == kTotal);
  CHECK(reply.body == std::string(1000, 'x'));
  CHECK_FALSE(user.Run(HttpRequest{}, 60s).failure);
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: a body without a length ends with the connection", Client, BOTH_CLIENTS) {
  EvilServer server(Once("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = user.Run(KeepAll());
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.body == "until the end");
  }
  CHECK(server.Connections() == 3);
}

TEST_CASE_TEMPLATE("http: a reply that comes byte by byte", Client, BOTH_CLIENTS) {
  EvilServer server([](Peer& peer) {
    while (peer.ReadRequest()) {
      peer.SendSlowly(
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n");
    }
  });
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = user.Run(KeepAll());
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.body == "hello world");
  }
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: a large request body", Client, BOTH_CLIENTS) {
  EvilServer server([](Peer& peer) {
    while (peer.ReadRequest()) {
      const std::string size = std::to_string(peer.Body().size());
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size.size()) + "\r\n\r\n" +
                size);
    }
  });
  HttpUser user(ConfigFor<Client>(server));
  HttpRequest request = KeepAll();
  request.method = "POST";
  for (const std::size_t size : {16 << 10, (16 << 10) + 1, 8 << 20}) {
    request.body.assign(size, 'b');
    const HttpReply reply = user.Run(request, 30s);
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.body == std::to_string(size));
  }
  CHECK(server.Connections() == 1);
}

TEST_CASE_TEMPLATE("http: an answer before the request was read", Client, BOTH_CLIENTS) {
  EvilServer server([](Peer& peer) {
    peer.Send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    peer.AwaitClose();
  });
  HttpUser user(ConfigFor<Client>(server));
  HttpRequest request = KeepAll();
  request.method = "POST";
  request.body.assign(64 << 20, 'b');
  const HttpReply reply = user.Run(request, 30s);
  // The native client takes what lies there before the request for a stray reply.
  if (reply.failure) {
    CHECK(reply.failure.kind == ErrorKind::kProtocol);
  } else {
    CHECK(reply.status == 413);
  }
}

}  // namespace perf::test

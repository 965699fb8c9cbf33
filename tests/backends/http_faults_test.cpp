// SPDX-License-Identifier: Apache-2.0
// Servers that break off, stall, or say what is no HTTP, over both HTTP clients.
#include <doctest/doctest.h>

#include <string>

#include "libperf/base/error.hpp"
#include "tests/backends/http_clients.hpp"

namespace perf::test {
namespace {

using backends::HttpClient;
using backends::HttpReply;
using backends::HttpRequest;
using Peer = EvilServer::Peer;
using namespace std::chrono_literals;

}  // namespace

TEST_CASE_TEMPLATE("http: replies that end early", Client, BOTH_CLIENTS) {
  std::string bytes;
  SUBCASE("nothing") {}
  SUBCASE("in the status line") { bytes = "HTTP/1.1 20"; }
  SUBCASE("in the head") { bytes = "HTTP/1.1 200 OK\r\nContent-Le"; }
  SUBCASE("after a field") { bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"; }
  SUBCASE("after an interim reply") { bytes = "HTTP/1.1 100 Continue\r\n\r\n"; }
  SUBCASE("in the body") { bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"; }
  SUBCASE("in a chunk") {
    bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf";
  }
  SUBCASE("before the last chunk") {
    bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
  }
  EvilServer server(Once(bytes));
  HttpUser user(ConfigFor<Client>(server));
  CheckProtocolFailure(user.Get());
  CHECK_FALSE(user.Reusable());
}

TEST_CASE_TEMPLATE("http: a connection that is reset", Client, BOTH_CLIENTS) {
  EvilServer server([](Peer& peer) {
    if (peer.ReadRequest()) peer.Reset();
  });
  HttpUser user(ConfigFor<Client>(server));
  CheckProtocolFailure(user.Get());
  CHECK_FALSE(user.Reusable());
}

TEST_CASE_TEMPLATE("http: what is no reply is refused at once", Client, BOTH_CLIENTS) {
  CheckRefused<Client>("SSH-2.0-OpenSSH_9.2\r\n");
  CheckRefused<Client>("\x16\x03\x01\x02 no line end");
  CheckRefused<Client>("HTTP/1.1 2xx OK\r\n\r\n");
  CheckRefused<Client>("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n");
  CheckRefused<Client>("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n");
  CheckRefused<Client>("HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\n");
  CheckRefused<Client>("HTTP/1.1 200 OK\r\nno colon\r\n\r\n");
  CheckRefused<Client>("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nY: b\r\n\r\n");
  CheckRefused<Client>("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  CheckRefused<Client>("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
}

TEST_CASE_TEMPLATE("http: a head without end", Client, BOTH_CLIENTS) {
  std::string piece;
  SUBCASE("one field") { piece = std::string(1024, 'x'); }
  SUBCASE("many fields") { piece = "X-A: 1\r\nX-B: 2\r\n"; }
  EvilServer server([&](Peer& peer) {
    if (!peer.ReadRequest()) return;
    peer.Send("HTTP/1.1 200 OK\r\nX-Start: ");
    while (peer.Send(piece)) {
    }
  });
  HttpUser user(ConfigFor<Client>(server));
  CheckProtocolFailure(user.Get());
  CHECK_FALSE(user.Reusable());
}

TEST_CASE_TEMPLATE("http: a server that stalls", Client, BOTH_CLIENTS) {
  std::string bytes;
  SUBCASE("before the reply") {}
  SUBCASE("in the head") { bytes = "HTTP/1.1 200 OK\r\nCont"; }
  SUBCASE("in the body") { bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"; }
  EvilServer server(FirstThen(bytes));
  HttpUser user(ConfigFor<Client>(server));
  const HttpReply reply = user.Run(KeepAll(), 100ms);
  CHECK(reply.failure.kind == ErrorKind::kTimeout);
  CHECK_FALSE(reply.failure.text.empty());
  CHECK_FALSE(user.Reusable());
  // The late rest, if any, reaches nobody: its connection is gone.
  const HttpReply next = user.Run(KeepAll());
  CHECK_MESSAGE(!next.failure, next.failure.text);
  CHECK(next.body == "good");
  CHECK(user.Await([&] { return server.HangUps() == 1; }));
}

TEST_CASE_TEMPLATE("http: no time left", Client, BOTH_CLIENTS) {
  EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  HttpUser user(ConfigFor<Client>(server));
  CHECK_FALSE(user.Get().failure);
  CHECK(user.Run(HttpRequest{}, 0ms).failure.kind == ErrorKind::kTimeout);
  CHECK_FALSE(user.Get().failure);
  CHECK(server.Requests() == 2);
}

TEST_CASE_TEMPLATE("http: cancelling the loop ends an exchange", Client, BOTH_CLIENTS) {
  EvilServer server(FirstThen(""));
  HttpUser user(ConfigFor<Client>(server));
  user.CancelWhen([&] { return server.Requests() == 1; });
  CHECK(user.Run(HttpRequest{}, 60s).failure.kind == ErrorKind::kTimeout);
}

TEST_CASE_TEMPLATE("http: bytes behind a reply never become the next one", Client, BOTH_CLIENTS) {
  const std::string fake = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake";
  EvilServer server([&](Peer& peer) {
    while (peer.ReadRequest()) {
      const bool first = peer.Number() == 1;
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal" + (first ? fake : ""));
    }
  });
  HttpUser user(ConfigFor<Client>(server));
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = user.Run(KeepAll());
    CHECK_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.body == "real");
  }
  CHECK(server.Connections() == 2);
}

TEST_CASE_TEMPLATE("http: a connection that dies while idle", Client, BOTH_CLIENTS) {
  EvilServer server(Once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  HttpUser user(ConfigFor<Client>(server));
  CHECK_FALSE(user.Get().failure);
  // curl finds out by itself; of the native client the pool asks.
  if (Client::kClient == HttpClient::kNative) CHECK(user.Await([&] { return !user.Alive(); }));
  const HttpReply next = user.Get();
  CHECK_MESSAGE(!next.failure, next.failure.text);
  CHECK(server.Connections() == 2);
}

}  // namespace perf::test

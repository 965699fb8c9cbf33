// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "libperf/backends/http.hpp"
#include "tests/backends/evil_server.hpp"
#include "tests/backends/http_user.hpp"

namespace perf::test {

// What the tests of HTTP over both clients have in common.
struct Native {
  static constexpr backends::HttpClient kClient = backends::HttpClient::kNative;
};
struct Curl {
  static constexpr backends::HttpClient kClient = backends::HttpClient::kCurl;
};
#define BOTH_CLIENTS Native, Curl

template <typename Client>
backends::HttpConfig ConfigFor(const EvilServer& server) {
  backends::HttpConfig config;
  config.base = Url::Parse(server.Url());
  config.client = Client::kClient;
  return config;
}

/// Answers each request of each connection with the same bytes.
inline EvilServer::Script Always(std::string reply) {
  return [reply = std::move(reply)](EvilServer::Peer& peer) {
    while (peer.ReadRequest() && peer.Send(reply)) {
    }
  };
}

/// Answers the first request with those bytes and hangs up.
inline EvilServer::Script Once(std::string reply) {
  return [reply = std::move(reply)](EvilServer::Peer& peer) {
    if (peer.ReadRequest()) peer.Send(reply);
  };
}

/// The first connection sends those bytes, then nothing until the client hangs up; later
/// connections are served well.
inline EvilServer::Script FirstThen(std::string reply) {
  return [reply = std::move(reply)](EvilServer::Peer& peer) {
    if (!peer.ReadRequest()) return;
    if (peer.Number() == 1) {
      peer.Send(reply);
      peer.AwaitClose();
      return;
    }
    do {
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    } while (peer.ReadRequest());
  };
}

inline backends::HttpRequest KeepAll() {
  backends::HttpRequest request;
  request.keep_body = request.keep_headers = true;
  return request;
}

inline void CheckProtocolFailure(const backends::HttpReply& reply) {
  CHECK(reply.failure.kind == ErrorKind::kProtocol);
  CHECK_FALSE(reply.failure.text.empty());
  CHECK(reply.failure.text.size() <= 512);
}

/// A bad first reply is a protocol failure, its connection is never used again, and the next
/// request is served.
template <typename Client>
void CheckRefused(const std::string& bytes) {
  CAPTURE(bytes.substr(0, 60));
  EvilServer server(FirstThen(bytes));
  HttpUser user(ConfigFor<Client>(server));
  CheckProtocolFailure(user.Get());
  const backends::HttpReply next = user.Run(KeepAll());
  CHECK_MESSAGE(!next.failure, next.failure.text);
  CHECK(next.body == "good");
  CHECK(server.Connections() == 2);
}

}  // namespace perf::test

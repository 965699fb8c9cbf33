// SPDX-License-Identifier: Apache-2.0
// Where both HTTP clients connect to: names, addresses, unix sockets, proxies.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "libperf/base/error.hpp"
#include "tests/backends/http_clients.hpp"

namespace perf::test {
namespace {

using backends::HttpClient;
using backends::HttpConfig;
using backends::HttpReply;
using backends::HttpRequest;
using Peer = EvilServer::Peer;

}  // namespace

TEST_CASE_TEMPLATE("http: nobody listens", Client, BOTH_CLIENTS) {
  HttpConfig config;
  {
    EvilServer gone(Always(""));
    config = ConfigFor<Client>(gone);
  }
  HttpUser user(config);
  const HttpReply reply = user.Get();
  CHECK(reply.failure.kind == ErrorKind::kConnect);
  CHECK_FALSE(reply.failure.text.empty());
  const auto failure = user.Probe();
  CHECK(failure.kind == ErrorKind::kConnect);
  CHECK(failure.text.find("127.0.0.1:" + std::to_string(config.base.port)) != std::string::npos);
}

TEST_CASE_TEMPLATE("http: names", Client, BOTH_CLIENTS) {
  EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  HttpConfig config = ConfigFor<Client>(server);
  SUBCASE("localhost") {
    config.base.host = "localhost";
    HttpUser user(config);
    CHECK_FALSE(user.Probe());
    CHECK_FALSE(user.Get().failure);
  }
  SUBCASE("a name that cannot be") {
    config.base.host = std::string(70, 'x') + ".invalid";
    HttpUser user(config);
    CHECK(user.Probe().kind == ErrorKind::kConnect);
    CHECK(user.Get().failure.kind == ErrorKind::kConnect);
    CHECK(server.Connections() == 0);
  }
}

TEST_CASE_TEMPLATE("http: IPv6", Client, BOTH_CLIENTS) {
  std::unique_ptr<EvilServer> server;
  try {
    server =
        std::make_unique<EvilServer>(Always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "::1");
  } catch (const std::exception& error) {
    MESSAGE("skipped, no IPv6 here: ", error.what());
    return;
  }
  HttpConfig config = ConfigFor<Client>(*server);
  config.base.host = "::1";
  HttpUser user(config);
  CHECK_FALSE(user.Probe());
  const HttpReply reply = user.Get();
  CHECK_MESSAGE(!reply.failure, reply.failure.text);
}

TEST_CASE_TEMPLATE("http: unix sockets", Client, BOTH_CLIENTS) {
  std::string path = "/tmp/perfkit-http-XXXXXX";
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  HttpConfig config;
  config.base = Url::Parse("http://localhost");
  config.client = Client::kClient;
  config.unix_socket = path + "/s";
  {
    EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), config.unix_socket);
    HttpUser user(config);
    CHECK_FALSE(user.Probe());
    for (int i = 0; i < 3; ++i) {
      const HttpReply reply = user.Run(KeepAll());
      CHECK_MESSAGE(!reply.failure, reply.failure.text);
      CHECK(reply.body == "ok");
    }
    CHECK(server.Connections() == 2);  // one of them the probe's
  }
  HttpUser user(config);
  CHECK(user.Probe().kind == ErrorKind::kConnect);
  ::rmdir(path.c_str());
}

TEST_CASE_TEMPLATE("http: the environment's proxy is not used", Client, BOTH_CLIENTS) {
  EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  HttpUser user(ConfigFor<Client>(server));
  const HttpReply reply = user.Get();
  ::unsetenv("http_proxy");
  CHECK_MESSAGE(!reply.failure, reply.failure.text);
}

TEST_CASE("http: a proxy gets whole URLs, method after method") {
  EvilServer proxy([](Peer& peer) {
    while (peer.ReadRequest()) {
      const std::string line = peer.Head().substr(0, peer.Head().find("\r\n"));
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(line.size()) + "\r\n\r\n" +
                line);
    }
  });
  HttpConfig config;
  config.base = Url::Parse("http://service.example:81");
  config.proxy = proxy.Url();
  HttpUser user(config);
  HttpRequest request = KeepAll();
  request.target = "/one";
  CHECK(user.Run(request).body == "GET http://service.example:81/one HTTP/1.1");
  request.target = "/two";
  CHECK(user.Run(request).body == "GET http://service.example:81/two HTTP/1.1");
}

TEST_CASE_TEMPLATE("http: many connections at once", Client, BOTH_CLIENTS) {
  EvilServer server(Always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  HttpUser user(ConfigFor<Client>(server));
  CHECK(user.RunMany(40, 25) == 40 * 25);
  CHECK(server.Requests() == 40 * 25);
  CHECK(server.Connections() == 40);
}

TEST_CASE("http: configurations that cannot work") {
  const auto refused = [](const char* url, auto change) {
    HttpConfig config;
    config.base = Url::Parse(url);
    change(config);
    backends::EventLoop loop;
    CHECK_THROWS_AS(backends::MakeHttpConnector(loop, config), ConfigError);
  };
  refused("https://localhost", [](HttpConfig& c) { c.client = HttpClient::kNative; });
  refused("http://localhost", [](HttpConfig& c) {
    c.client = HttpClient::kNative;
    c.proxy = "http://127.0.0.1:1";
  });
  refused("http://localhost", [](HttpConfig& c) {
    c.client = HttpClient::kNative;
    c.version = backends::HttpVersion::k2;
  });
  refused("redis://localhost", [](HttpConfig&) {});
  refused("http://localhost", [](HttpConfig& c) { c.headers = {{"X", "a\r\nb"}}; });
  refused("https://localhost", [](HttpConfig& c) { c.ca_file = "/nonexistent/ca.pem"; });
}

}  // namespace perf::test

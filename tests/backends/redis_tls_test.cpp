// SPDX-License-Identifier: Apache-2.0
// TLS to a real Redis, where this hiredis can; where it cannot, the error that says so.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/hiredis_asio.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/error.hpp"
#include "tests/backends/private_nginx.hpp"
#include "tests/backends/private_process.hpp"
#include "tests/backends/tls_dial.hpp"

namespace perf::test {
namespace {

using backends::EventLoop;
using backends::HiredisStream;
using backends::RedisCommand;
using backends::RedisConfig;
using backends::RedisConnection;
using backends::RedisReply;
using backends::RedisTls;
using backends::test::Says;
using backends::test::Soon;
using backends::test::TryDial;

class TlsRedis {
 public:
  /// `clients`: whether they need a certificate.
  TlsRedis(const std::string& program, const Authority& authority, const Authority::Pair& pair,
           bool clients)
      : port_(FreePort()),
        process_(directory_.Path(),
                 {program, "--bind", "127.0.0.1", "--port", "0", "--tls-port",
                  std::to_string(port_), "--tls-cert-file", pair.certificate, "--tls-key-file",
                  pair.key, "--tls-ca-cert-file", authority.CaFile(), "--tls-auth-clients",
                  clients ? "yes" : "no", "--requirepass", "right", "--save", ""},
                 SIGKILL) {
    REQUIRE(AwaitListener(port_, process_));
  }
  RedisConfig Config(const RedisTls& files, const std::string& host = "localhost",
                     const std::string& password = "right") const {
    RedisConfig config =
        backends::ParseRedisUrl(fmt::format("rediss://:{}@{}:{}", password, host, port_));
    config.tls = files;
    return config;
  }

 private:
  TemporaryDirectory directory_;
  int port_;
  PrivateProcess process_;
};

/// Whether a session answers, also with more than one TLS record.
Task<void> Echo(RedisConnection& session, std::string&) {
  RedisCommand command;
  command.keep_reply = true;
  RedisReply reply;
  const std::string value(1 << 20, 'v');
  command.words = {"ECHO", value};
  co_await session.Execute(command, reply, Soon());
  CHECK(reply.failure.text == "");
  CHECK((reply.value == Json(value)));
}

std::string Try(const RedisConfig& config) {
  return TryDial([&](EventLoop& loop) { return backends::MakeRedisConnector(loop, config); }, Echo);
}

/// The server's program where all that is needed is there.
std::string Program() {
  if (!HiredisStream::HasTls()) {
    MESSAGE("SKIPPED: this hiredis has no TLS (it came with version 1.0)");
    return {};
  }
  std::string program = FirstProgram({"/usr/bin/redis-server", "/usr/local/bin/redis-server"});
  if (program.empty()) MESSAGE("SKIPPED: redis-server not found: install redis-server");
  return program;
}

struct Fixture {
  TemporaryDirectory directory;
  Authority authority{directory.Path(), "good"};
};

}  // namespace

TEST_CASE("redis tls: without it in hiredis, a clear error before anything is dialled") {
  EventLoop loop;
  for (const char* url : {"rediss://localhost", "rediss://one.example,two.example",
                          "rediss+sentinel://localhost/main", "rediss+cluster://localhost"}) {
    CAPTURE(url);
    RedisConfig config = backends::ParseRedisUrl(url);
    if (!HiredisStream::HasTls()) {
      CHECK_THROWS_WITH_AS(backends::MakeRedisConnector(loop, config),
                           "TLS to Redis needs hiredis >= 1.0", ConfigError);
      continue;
    }
    config.tls.ca_file = "/nowhere/ca.pem";
    CHECK_THROWS_WITH_AS(backends::MakeRedisConnector(loop, config),
                         doctest::Contains("/nowhere/ca.pem"), ConfigError);
  }
}

TEST_CASE_FIXTURE(Fixture, "redis tls: own authority, and each fault told apart") {
  const std::string program = Program();
  if (program.empty()) return;
  const RedisTls files{authority.CaFile(), "", "", true};
  RedisTls trusting = files;
  trusting.verify = false;
  {
    const TlsRedis server(program, authority, authority.Issue("localhost"), false);
    CHECK(Try(server.Config(files)) == "");
    CHECK(Try(server.Config(trusting, "127.0.0.1")) == "");
    Says(Try(server.Config(files, "127.0.0.1")), "IP address mismatch");
    Says(Try(server.Config(files, "localhost", "wrong-secret")), "WRONGPASS");
    const Authority other(directory.Path(), "other");
    Says(Try(server.Config({other.CaFile(), "", "", true})), "self");
    Says(Try(server.Config({"", "", "", true})), "self");
  }
  {
    const TlsRedis server(program, authority, authority.Issue("elsewhere.example"), false);
    Says(Try(server.Config(files)), "hostname mismatch");
  }
  const TlsRedis server(program, authority, authority.Issue("localhost", -60), false);
  Says(Try(server.Config(files)), "certificate has expired");
  CHECK(Try(server.Config(trusting)) == "");
}

TEST_CASE_FIXTURE(Fixture, "redis tls: client certificates") {
  const std::string program = Program();
  if (program.empty()) return;
  const TlsRedis server(program, authority, authority.Issue("localhost"), true);
  const auto with = [&](const Authority::Pair& pair) {
    return Try(server.Config({authority.CaFile(), pair.certificate, pair.key, true}));
  };
  CHECK(with(authority.Issue("client")) == "");
  // What else it says is lost where it hangs up before we have read it.
  Says(Try(server.Config({authority.CaFile(), "", "", true})), "asked for a certificate");
  Says(with(authority.Issue("client", -60)), "asked for a certificate");
  Authority other(directory.Path(), "stranger");
  Says(with(other.Issue("client")), "asked for a certificate");
}

}  // namespace perf::test

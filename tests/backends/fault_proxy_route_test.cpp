// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy_route.hpp"

#include <doctest/doctest.h>

#include <string>

#include "libperf/backends/fault_proxy.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/error.hpp"
#include "tests/backends/real_servers.hpp"
#include "tests/backends/watchdog.hpp"

namespace perf::backends {
namespace {

Task<void> AskPostgres(EventLoop& loop, PostgresConfig config, SqlReply& reply) {
  const auto connector = MakePostgresConnector(loop, std::move(config));
  auto dialled = co_await connector->Dial(test::Soon());
  reply.failure = dialled.failure;
  if (dialled.failure) co_return;
  const SqlStatement statement{"select inet_server_addr() is null, 40 + 2", 1};
  co_await dialled.connection->Execute(statement, {}, reply, test::Soon());
}

Task<void> AskRedis(EventLoop& loop, RedisConfig config, RedisReply& reply) {
  const auto connector = MakeRedisConnector(loop, std::move(config));
  auto dialled = co_await connector->Dial(test::Soon());
  reply.failure = dialled.failure;
  if (dialled.failure) co_return;
  RedisCommand command;
  command.words = {"ECHO", "through"};
  command.keep_reply = true;
  co_await dialled.connection->Execute(command, reply, test::Soon());
}

}  // namespace

TEST_CASE("fault route: where libpq would go") {
  StreamAddress there = PostgresUpstream("host=/run/pg user=u dbname=d");
  CHECK(there.unix_socket == "/run/pg/.s.PGSQL.5432");
  there = PostgresUpstream("host=db.example port=6543 sslmode=verify-full");
  CHECK(there.unix_socket.empty());
  CHECK(there.host == "db.example");
  CHECK(there.port == 6543);
  there = PostgresUpstream("host=db.example hostaddr=192.0.2.7");
  CHECK(there.host == "192.0.2.7");
  there = PostgresUpstream("postgresql://u:p@[::1]:99/d");
  CHECK(there.host == "::1");
  CHECK(there.port == 99);
  CHECK_THROWS_AS(PostgresUpstream("host=a,b"), ConfigError);
  CHECK_THROWS_AS(PostgresUpstream("host=@abstract"), ConfigError);
  CHECK_THROWS_AS(PostgresUpstream("nonsense"), ConfigError);
}

TEST_CASE("fault route: where Redis and HTTP clients would go") {
  CHECK(RedisUpstream(Url::Parse("redis://h")).port == 6379);
  CHECK(RedisUpstream(Url::Parse("redis://h:7/1")).port == 7);
  CHECK(RedisUpstream(Url::Parse("unix:///run/a%20b.sock?db=2")).unix_socket == "/run/a b.sock");
  HttpConfig config;
  config.base = Url::Parse("https://h");
  CHECK(HttpUpstream(config).port == 443);
  config.base = Url::Parse("http://h:81");
  CHECK(HttpUpstream(config).port == 81);
  config.unix_socket = "/run/app.sock";
  CHECK(HttpUpstream(config).unix_socket == "/run/app.sock");
  config.proxy = "http://p";
  CHECK_THROWS_AS(HttpUpstream(config), ConfigError);
}

TEST_CASE("fault route: real clients reach real servers through a proxy") {
  FaultProxyOptions options;
  EventLoop loop;
  const test::Watchdog watchdog(loop);
  if (test::PostgresConninfo()) {
    options.upstream = PostgresUpstream(*test::PostgresConninfo());
    const FaultProxy proxy(options);
    PostgresConfig config;
    config.conninfo = *test::PostgresConninfo() + " sslmode=require";
    config.via_port = proxy.Address().port;
    SqlReply reply;
    test::RunOn(loop, AskPostgres(loop, std::move(config), reply));
    REQUIRE_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.Value(0, 0) == "t");  // the server still sees its socket
    CHECK(reply.Value(0, 1) == "42");
    CHECK(proxy.Counters().accepted == 1);
  }
  if (test::RedisUrl()) {
    options.upstream = RedisUpstream(Url::Parse(*test::RedisUrl()));
    const FaultProxy proxy(options);
    RedisConfig config;
    config.url = Url::Parse(*test::RedisUrl());
    config.via_port = proxy.Address().port;
    RedisReply reply;
    test::RunOn(loop, AskRedis(loop, std::move(config), reply));
    REQUIRE_MESSAGE(!reply.failure, reply.failure.text);
    CHECK(reply.value == Json("through"));
    CHECK(proxy.Counters().bytes_down > 0);
  }
  CHECK_FALSE(watchdog.Bitten());
}

}  // namespace perf::backends

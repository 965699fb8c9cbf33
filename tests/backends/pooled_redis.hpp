// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dial_fails.hpp"
#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/dial_with.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/backends/private_topology.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/error.hpp"
#include "redis_bench.hpp"

namespace perf::backends::test {

/// Nothing where the machine lacks the server.
inline std::optional<PrivateServers> StartRedis(Topology topology) {
  const std::array<PrivateSpec, 1> specs{
      PrivateSpec{"kv", PrivateSpec::Kind::kRedis, {}, topology}};
  try {
    return PrivateServers::Start(specs, Soon());
  } catch (const UnreachableError& error) {
    if (std::string_view(error.what()).find("not found: install") == std::string_view::npos) throw;
    MESSAGE("SKIPPED: " << std::string(error.what()));
    return std::nullopt;
  }
}

inline RedisDoor DoorOf(const PrivateServers& servers, std::size_t node) {
  const Url url = Url::Parse(servers.NodeUrl("kv", node));
  return {url.port, url.password};
}

/// A connector with its pool, as a run has them.
struct PooledRedis {
  PooledRedis(const std::string& url, std::size_t max) {
    RedisConfig config = ParseRedisUrl(url);
    config.node_connections = max;
    connector = MakeRedisConnector(loop, std::move(config));
    ConnectionPool::Options options;
    options.name = "kv";
    options.limits.max = options.limits.max_dials = max;
    options.limits.backoff_most = std::chrono::milliseconds(250);
    pool.emplace(loop, std::move(options),
                 [this](Deadline deadline) { return DialWith(*connector, deadline); });
    connector->OnStale([this] { pool->Invalidate(); });
  }
  ~PooledRedis() {
    loop.CancelAll();
    CHECK(loop.Drain(Soon()));
    pool->CloseIdle();
  }

  /// One command on a borrowed connection; the failure to borrow counts as its own.
  Task<void> Ask(const RedisCommand& command, RedisReply& reply) {
    reply.Clear();
    auto acquired = co_await pool->Borrow(Clock::now());
    if (acquired.failure) {
      reply.failure = std::move(acquired.failure);
      co_return;
    }
    co_await acquired.loan.As<RedisConnection>().Execute(command, reply, Soon());
  }
  Task<bool> Await(std::function<bool()> condition) {
    return test::Await(loop, std::move(condition));
  }

  EventLoop loop;
  std::unique_ptr<RedisConnector> connector;
  std::optional<ConnectionPool> pool;
};

/// A dial of `url` fails, and says so without the secret in it.
inline Task<void> DialSays(EventLoop& loop, std::string url, std::string needle) {
  auto connector = MakeRedisConnector(loop, ParseRedisUrl(url));
  co_await DialFails(*connector, std::move(needle));
}

/// What the users of one test saw.
struct Tally {
  std::uint64_t written = 0;
  std::uint64_t refused = 0;  // no connection was to be had
  std::uint64_t failed = 0;   // on a connection
  std::map<std::string, int> texts;
  TimePoint last_failure{};
  std::size_t users = 0;
  bool stop = false;

  void Failed(const Failure& failure) {
    ++failed;
    ++texts[failure.text];
    last_failure = Clock::now();
  }
  std::string Texts() const {
    std::string all;
    for (const auto& [text, count] : texts) all += std::to_string(count) + " × " + text + "\n";
    return all;
  }
};

/// Writes one after the other until it is told to stop.
inline Task<void> WriteOn(PooledRedis& bench, Tally& tally, std::string key) {
  ++tally.users;
  const RedisCommand command = Command({"INCR", std::move(key)});
  while (!tally.stop) {
    auto acquired = co_await bench.pool->Borrow(Clock::now());
    if (acquired.failure) {
      ++tally.refused;
      CHECK(acquired.failure.kind == ErrorKind::kConnect);
      co_await bench.loop.SleepUntil(Clock::now() + std::chrono::milliseconds(5));
      continue;
    }
    auto& connection = acquired.loan.As<RedisConnection>();
    RedisReply reply;
    co_await connection.Execute(command, reply, Soon());
    if (reply.failure) {
      tally.Failed(reply.failure);
      // So that it is the last one on that connection.
      CHECK_FALSE(connection.Reusable());
    } else {
      ++tally.written;
    }
  }
  --tally.users;
}

}  // namespace perf::backends::test

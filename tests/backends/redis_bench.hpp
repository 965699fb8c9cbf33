// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/redis.hpp"
#include "real_servers.hpp"

namespace perf::backends::test {

struct RedisBench {
  explicit RedisBench(const std::string& url) {
    RedisConfig config;
    config.url = Url::Parse(url);
    connector = MakeRedisConnector(loop, config);
  }

  Task<std::unique_ptr<RedisConnection>> Connect() {
    auto dialled = co_await connector->Dial(Soon());
    CHECK(dialled.failure.text == "");
    REQUIRE(dialled.connection != nullptr);
    co_return std::move(dialled.connection);
  }

  EventLoop loop;
  std::unique_ptr<RedisConnector> connector;
};

inline RedisCommand Command(std::vector<std::string> words, unsigned pipeline = 1) {
  RedisCommand command;
  command.words = std::move(words);
  command.pipeline = pipeline;
  command.keep_reply = true;
  return command;
}

}  // namespace perf::backends::test

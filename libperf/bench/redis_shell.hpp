// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/task.hpp"

namespace perf::bench {

/// One connection to a Redis for now and then a command, which waits for its reply; it is dialled
/// again where it was lost.
/// Thread safety: none.
class RedisShell {
 public:
  explicit RedisShell(const std::string& url);
  ~RedisShell();
  RedisShell(const RedisShell&) = delete;
  RedisShell& operator=(const RedisShell&) = delete;

  /// Throws: IoError, also for an error that the server replied.
  Json Do(std::vector<std::string> words);

 private:
  Task<void> Execute(const backends::RedisCommand& command, backends::RedisReply& reply);

  backends::EventLoop loop_;
  std::unique_ptr<backends::RedisConnector> connector_;
  std::unique_ptr<backends::RedisConnection> connection_;
};

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "libperf/backends/redis.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/monitor/history/copy.hpp"

namespace perf::monitor {

struct RedisCopyOptions {
  backends::RedisConfig redis;
  std::string prefix = "perfkit:history:";  // streams PREFIXsystem and PREFIXapp
  std::size_t max_length = 100000;          // of each stream, about (XADD … MAXLEN ~)
  std::size_t queue = 10000;                // cells that may wait; older ones are dropped, counted
  Duration timeout = std::chrono::seconds(2);  // of a dial and of a batch of commands
};

/// Copies what the history writes into Redis streams (`enable_redis_storage`), one entry a cell:
/// metric, labels (JSON), type, start, count, sum, min, max, seconds. A thread of its own; a Redis
/// that is away is dialled again after 100 ms, doubled up to 2 s; what it may have taken twice is
/// not sent again. Thread safety: see HistoryCopy; Lost from any thread.
PERF_EXPORT std::unique_ptr<HistoryCopy> MakeRedisCopy(RedisCopyOptions options);

}  // namespace perf::monitor

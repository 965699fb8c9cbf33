// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/task.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {

/// One command, sent `pipeline` times in one write before the first reply is awaited.
struct RedisCommand {
  std::vector<std::string> words;
  unsigned pipeline = 1;
  bool keep_reply = false;  // whether `reply.value` is wanted
};

struct RedisReply {
  Failure failure;  // an error reply (-ERR …) is kStatus; the connection stays usable
  Timing timing;
  Json value;  // of the last reply: string, integer, null, array
  void Clear() noexcept;
};

struct RedisConfig {
  /// redis://[[user]:password@]host[:port][/db], rediss:// likewise (where hiredis >= 1.0), or
  /// unix:///path[?db=N&user=U&password=P].
  Url url;
  /// Where not 0: connections go to this port of 127.0.0.1 instead (a fault proxy). The name in
  /// TLS stays that of the URL.
  std::uint16_t via_port = 0;
};

class PERF_EXPORT RedisConnection : public Connection {
 public:
  /// Runs one command (or its pipeline); never throws for what the server did: see
  /// `reply.failure`. A time-out gives the connection up: its late reply must not reach anybody
  /// else.
  virtual Task<void> Execute(const RedisCommand& command, RedisReply& reply, Deadline deadline) = 0;
};

class PERF_EXPORT RedisConnector {
 public:
  virtual ~RedisConnector();
  /// Connects, then AUTH and SELECT as the URL says.
  virtual Task<Dialled<RedisConnection>> Dial(Deadline deadline) = 0;
};

/// Throws: ConfigError for rediss:// on a hiredis without TLS.
PERF_EXPORT std::unique_ptr<RedisConnector> MakeRedisConnector(EventLoop& loop, RedisConfig config);

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/backends/http.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/random.hpp"
#include "libperf/cache/answer.hpp"
#include "libperf/load/step.hpp"
#include "libperf/load/template.hpp"

namespace perf::load {

/// What the source of a cache gave, or why it gave nothing.
struct SourceReply {
  cache::Loaded loaded;
  backends::Failure failure;
};

/// The body of a reply that a later step may play.
struct KeptReply {
  std::string body;
  std::uint64_t bytes = 0;  // of which `body` may be only the begin
  bool there = false;
};

/// One run through a flow, with the buffers that its requests need; reused by later iterations,
/// so that a steady load allocates nothing.
/// Thread safety: none. Lifetime: the engine's, which keeps unused ones in a list.
struct Iteration {
  explicit Iteration(std::uint64_t seed) : random(seed) {}
  Iteration(const Iteration&) = delete;
  Iteration& operator=(const Iteration&) = delete;

  Random random;
  Scope scope;
  std::size_t load = 0;
  bool recorded = true;  // false for what started in the warm-up
  bool failed = false;
  bool stop = false;         // a failure that ends the iteration
  bool target_down = false;  // a connection could not be made
  TimePoint begun{};         // when its first request should have been sent
  TimePoint intended{};      // of the next request
  TimePoint ready{};         // when the loop got to it

  // The step whose request stands in http_request or redis_command and never changes: a loop over
  // one constant step renders it once.
  const Step* prepared = nullptr;
  backends::HttpRequest http_request;
  backends::HttpReply http_reply;
  backends::SqlReply sql_reply;
  std::vector<backends::SqlParameter> sql_parameters;
  backends::RedisCommand redis_command;
  backends::RedisReply redis_reply;
  std::string cache_key;
  std::vector<KeptReply> kept_replies;  // by Step::reply_slot
  SourceReply* source = nullptr;        // of one that reads a source: where its reply goes
};

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/target.hpp"

#include <algorithm>
#include <utility>

#include "libperf/backends/dial_with.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"

namespace perf::load {
namespace {

// The part of `whole` that falls to one of `loops`: parts differ by at most one and add up.
std::size_t Share(std::size_t whole, std::size_t index, std::size_t loops) noexcept {
  return whole / loops + (index < whole % loops ? 1 : 0);
}

}  // namespace

TargetRuntime::TargetRuntime(backends::EventLoop& loop, const TargetSpec& spec,
                             const std::string& url, std::size_t loop_index, std::size_t loops,
                             std::uint64_t seed, std::uint16_t via_port)
    : spec_(spec) {
  backends::ConnectionPool::Options options;
  options.name = spec.name;
  options.limits.min = Share(spec.pool.min, loop_index, loops);
  options.limits.max = std::max<std::size_t>(1, Share(spec.pool.max, loop_index, loops));
  MakeConnector(loop, url, via_port, options.limits.max);
  if (redis_ && backends::ParseRedisUrl(url).layout != backends::RedisLayout::kSingle) {
    // Another server may take over at any moment.
    options.limits.backoff_most = std::chrono::milliseconds(250);
  }
  options.limits.max_dials = options.limits.max;
  options.limits.idle_timeout = spec.pool.idle_timeout;
  options.acquire_timeout = spec.pool.acquire_timeout;
  options.connect_timeout = spec.connect_timeout;
  options.seed = seed;
  if (postgres_ && spec.pool.reset != backends::PostgresReset::kNone) {
    options.reset = backends::ResetPostgres;
  }
  pool_ = std::make_unique<backends::ConnectionPool>(loop, std::move(options), MakeDial());
  const auto invalidate = [this] { pool_->Invalidate(); };
  if (postgres_) postgres_->OnStale(invalidate);
  if (redis_) redis_->OnStale(invalidate);
}

void TargetRuntime::MakeConnector(backends::EventLoop& loop, const std::string& url,
                                  std::uint16_t via_port, std::size_t most) {
  switch (spec_.kind) {
    case TargetKind::kHttp: {
      backends::HttpConfig config = spec_.http;
      config.base = Url::Parse(url);
      config.via_port = via_port;
      http_ = backends::MakeHttpConnector(loop, std::move(config));
      break;
    }
    case TargetKind::kPostgres: {
      backends::PostgresConfig config;
      config.conninfo = url;
      config.prepared = spec_.prepared;
      config.reset = spec_.pool.reset;
      config.init = spec_.pool.init;
      config.via_port = via_port;
      config.most = [most] { return most; };
      postgres_ = backends::MakePostgresConnector(loop, std::move(config));
      break;
    }
    case TargetKind::kRedis: {
      backends::RedisConfig config = backends::ParseRedisUrl(url);
      config.tls = spec_.redis_tls;
      config.via_port = via_port;
      config.node_connections = most;
      config.connect_timeout = spec_.connect_timeout;
      config.may_dial = [this](std::string_view host) {
        return IsLoopback(host) || spec_.allow.contains(ToLower(host));
      };
      redis_ = backends::MakeRedisConnector(loop, std::move(config));
      break;
    }
  }
}

backends::ConnectionPool::Dial TargetRuntime::MakeDial() {
  switch (spec_.kind) {
    case TargetKind::kHttp:
      return [this](Deadline deadline) { return backends::DialWith(*http_, deadline); };
    case TargetKind::kPostgres:
      return [this](Deadline deadline) { return backends::DialWith(*postgres_, deadline); };
    case TargetKind::kRedis:
      return [this](Deadline deadline) { return backends::DialWith(*redis_, deadline); };
  }
  return {};
}

/// A port that accepts is not yet a Redis that answers: the dial of a server without a password
/// exchanges nothing.
Task<backends::Failure> TargetRuntime::Ping(Deadline deadline) {
  backends::ConnectionPool::Acquired acquired = co_await pool_->Borrow(Clock::now());
  if (acquired.failure) co_return acquired.failure;
  backends::RedisCommand command;
  backends::RedisReply reply;
  command.words = {"PING"};
  co_await acquired.loan.As<backends::RedisConnection>().Execute(command, reply, deadline);
  co_return reply.failure;
}

Task<backends::Failure> TargetRuntime::Probe(Deadline deadline) {
  backends::Failure failure;
  if (http_) {
    co_await http_->Probe(failure, deadline);
    if (failure) co_return failure;
  }
  failure = co_await pool_->Probe(deadline);
  if (!failure && redis_) failure = co_await Ping(deadline);
  co_return failure;
}

}  // namespace perf::load

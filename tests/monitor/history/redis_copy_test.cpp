// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/redis_copy.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <thread>

#include "../../support/scratch_dir.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "libperf/monitor/history/history.hpp"
#include "series_maker.hpp"

namespace perf::monitor {
namespace {

using test::kStart;

Deadline Soon() { return Deadline::After(Clock::now(), std::chrono::minutes(1)); }

/// One command after the other, each on a loop of its own turn.
class Shell {
 public:
  explicit Shell(const std::string& url)
      : connector_(backends::MakeRedisConnector(loop_, backends::ParseRedisUrl(url))) {}
  ~Shell() { connection_.reset(); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  Json Ask(std::vector<std::string> words) {
    command_.words = std::move(words);
    command_.keep_reply = true;
    reply_.Clear();
    loop_.Spawn(Go());
    loop_.Run();
    return reply_.value;
  }

 private:
  Task<void> Go() {
    if (!connection_) {
      auto dialled = co_await connector_->Dial(Soon());
      connection_ = std::move(dialled.connection);
    }
    if (connection_) co_await connection_->Execute(command_, reply_, Soon());
    loop_.Stop();
  }

  backends::EventLoop loop_;
  std::unique_ptr<backends::RedisConnector> connector_;
  std::unique_ptr<backends::RedisConnection> connection_;
  backends::RedisCommand command_;
  backends::RedisReply reply_;
};

TEST_CASE(
    "redis copy: what was written stands in bounded streams; a Redis that is away costs copies "
    "only") {
  backends::PrivateSpec spec;
  spec.name = "kv";
  spec.kind = backends::PrivateSpec::Kind::kRedis;
  backends::PrivateServers servers;
  try {
    servers = backends::PrivateServers::Start(std::array{spec}, Soon());
  } catch (const UnreachableError& error) {
    MESSAGE("skipped: ", error.what());
    return;
  }
  const ::test::ScratchDir dir;
  HistoryOptions options;
  options.path = dir / "history.db";
  RedisCopyOptions copy;
  copy.redis = backends::ParseRedisUrl(servers.Url("kv"));
  copy.max_length = 200;
  copy.queue = 50;
  History history(options, nullptr, MakeRedisCopy(copy));
  auto gauge = test::Family("perfkit_system_level", metrics::Type::kGauge);
  std::int64_t at = kStart;
  Shell shell(servers.Url("kv"));
  const auto last = [&] {
    const Json entry = shell.Ask({"XREVRANGE", "perfkit:history:system", "+", "-", "COUNT", "1"});
    return entry.IsArray() && !entry.AsArray().empty()
               ? entry.AtPointer("/0/1/7")->AsString() + "=" +
                     entry.AtPointer("/0/1/11")->AsString()
               : std::string();
  };
  const auto write = [&](int snapshots) {
    for (int i = 0; i < snapshots; ++i, at += 30) {
      gauge.samples = {test::Sample({{"n", "0"}}, static_cast<double>(i))};
      history.Record(test::Snapshot({gauge}), FromSeconds(at));
      REQUIRE(history.Flush(Soon()));
    }
  };
  const auto await = [&](const std::string& wanted) {
    const Deadline deadline = Soon();
    while (last() != wanted && !deadline.Passed(Clock::now())) std::this_thread::yield();
    CHECK(last() == wanted);
  };
  write(20);
  await(std::to_string(at - 30) + "=19");
  const Json entry = shell.Ask({"XREVRANGE", "perfkit:history:system", "+", "-", "COUNT", "1"});
  CHECK(entry.AtPointer("/0/1/1")->AsString() == "perfkit_system_level");
  CHECK(entry.AtPointer("/0/1/3")->AsString() == R"({"n":"0"})");
  write(600);
  await(std::to_string(at - 30) + "=599");
  CHECK(shell.Ask({"XLEN", "perfkit:history:system"}).AsInt() <= 400);  // MAXLEN ~, by whole nodes
  servers.Act("kv", backends::ServerAction::kKill, std::nullopt, Soon());
  write(200);
  CHECK_FALSE(history.Figures().failing);
  servers.Act("kv", backends::ServerAction::kRestart, std::nullopt, Soon());
  write(1);
  Shell again(servers.Url("kv"));
  const Deadline deadline = Soon();
  Json length = 0;
  while (!deadline.Passed(Clock::now())) {
    length = again.Ask({"XLEN", "perfkit:history:system"});
    if (length.IsInt() && length.AsInt() >= 49) break;
    std::this_thread::yield();
  }
  CHECK(length.AsInt() >= 49);
  CHECK(length.AsInt() <= 52);
}

}  // namespace
}  // namespace perf::monitor

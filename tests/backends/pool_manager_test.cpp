// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pool_manager.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/error.hpp"
#include "libperf/metrics/exposition.hpp"
#include "real_servers.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;
using test::Soon;

/// Waits for an alert of a kind.
class Alerts {
 public:
  std::function<void(const PoolAlert&)> Sink() {
    return [this](const PoolAlert& alert) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(alert);
      changed_.notify_all();
    };
  }
  std::optional<PoolAlert> Await(PoolAlert::Kind kind) {
    std::unique_lock lock(mutex_);
    std::optional<PoolAlert> found;
    changed_.wait_for(lock, 20s, [&] {
      for (const PoolAlert& alert : seen_) {
        if (alert.kind == kind) found = alert;
      }
      return found.has_value();
    });
    return found;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<PoolAlert> seen_;
};

/// Asks for snapshots until one is as wanted.
template <typename Wanted>
bool Await(PoolManager& manager, Wanted wanted) {
  for (const Deadline end = Soon(); !end.Passed(Clock::now());) {
    if (wanted(manager.Snapshot())) return true;
  }
  MESSAGE(manager.Snapshot().Dump(2));
  return false;
}

std::int64_t Number(const Json& json, const std::string& pointer) {
  const Json* value = json.AtPointer(pointer);
  REQUIRE(value != nullptr);
  return value->AsInt();
}

std::string Text(const Json& json, const std::string& pointer) {
  const Json* value = json.AtPointer(pointer);
  REQUIRE(value != nullptr);
  return value->AsString();
}

struct Servers {
  PrivateServers servers;
  bool there = false;
};

/// One of each kind, for all cases; nothing where the binaries are not installed.
Servers& All() {
  static Servers all = [] {
    std::array<PrivateSpec, 3> specs;
    specs[0].name = "db";
    specs[1].name = "kv";
    specs[1].kind = PrivateSpec::Kind::kRedis;
    specs[2].name = "speech";
    specs[2].kind = PrivateSpec::Kind::kSpeech;
    Servers started;
    try {
      started.servers = PrivateServers::Start(specs, Soon());
      started.there = true;
    } catch (const UnreachableError& error) {
      MESSAGE("skipped: " << error.what());
    }
    return started;
  }();
  return all;
}

ConnectionPoolConfig Quick() {
  ConnectionPoolConfig config;
  config.check_interval = 20ms;
  config.max_memory_mb = 0;
  return config;
}

TEST_CASE("pool manager's configuration comes from the environment") {
  std::map<std::string, std::string> variables;
  const auto read = [&] {
    return ConnectionPoolConfig::FromEnvironment(
        config::Environment([&](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          if (found == variables.end()) return std::nullopt;
          return found->second;
        }));
  };
  CHECK(read().db_min_size == 5);
  CHECK(read().db_max_size == 20);
  CHECK(read().redis_max_connections == 25);
  CHECK(read().http_max_connections == 100);
  CHECK(read().max_memory_mb == 512);
  variables = {{"DB_POOL_MIN_SIZE", "2"},
               {"DB_POOL_MAX_SIZE", "7"},
               {"REDIS_POOL_MAX_CONNECTIONS", "3"},
               {"HTTP_POOL_MAX_CONNECTIONS", "4"},
               {"MAX_MEMORY_MB", "64"}};
  CHECK(read().db_min_size == 2);
  CHECK(read().db_max_size == 7);
  CHECK(read().redis_max_connections == 3);
  CHECK(read().http_max_connections == 4);
  CHECK(read().max_memory_mb == 64);
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"DB_POOL_MIN_SIZE", "8"}, {"DB_POOL_MAX_SIZE", "0"}, {"MAX_MEMORY_MB", "-1"}}) {
    const std::string before = variables[name];
    variables[name] = value;
    CHECK_THROWS_WITH_AS(read(), doctest::Contains(name.c_str()), ConfigError);
    variables[name] = before;
  }
}

TEST_CASE("pool manager opens three kinds together, asks them and answers blocking calls") {
  if (!All().there) return;
  PoolManager manager(Quick());
  manager.InitializeDefaultPools(All().servers.Url("db"), All().servers.Url("kv"),
                                 All().servers.Url("speech"), Soon());
  CHECK(Await(manager, [](const Json& json) { return Number(json, "/pools/database/idle") == 5; }));
  const Json json = manager.Snapshot();
  CHECK(json.Find("healthy")->AsBool());
  CHECK_FALSE(json.Find("stale")->AsBool());
  CHECK(Number(json, "/memory/rss_bytes") > 0);
  for (const char* name : {"database", "redis", "http"}) {
    CHECK(Text(json, fmt::format("/pools/{}/health/status", name)) == "up");
    CHECK(json.AtPointer(fmt::format("/pools/{}/health/latency_ms", name))->AsDouble() > 0);
  }
  CHECK(Number(json, "/pools/database/max") == 20);
  CHECK(Number(json, "/pools/redis/max") == 25);
  CHECK(Number(json, "/pools/http/max") == 100);

  const SqlRows rows =
      manager.Query("database", "select $1::int + 1 as next, null as nothing", {"41"}, Soon());
  CHECK(rows.failure.text == "");
  CHECK(rows.columns == std::vector<std::string>{"next", "nothing"});
  REQUIRE(rows.rows.size() == 1);
  CHECK(rows.rows[0][0] == "42");
  CHECK(rows.rows[0][1] == std::nullopt);
  // What one left open is rolled back before the next one has it.
  CHECK_FALSE(manager.Query("database", "begin", {}, Soon()).failure);
  CHECK(Await(manager, [&](const Json&) {
    const SqlRows open = manager.Query(
        "database", "select count(*) from pg_stat_activity where state like 'idle in %'", {},
        Soon());
    return open.rows.size() == 1 && open.rows[0][0] == "0";
  }));
  CHECK(Number(manager.Snapshot(), "/pools/database/discarded") == 0);
  const SqlRows wrong = manager.Query("database", "select nonsense", {}, Soon());
  CHECK(wrong.sqlstate == "42703");
  CHECK(wrong.failure.kind == ErrorKind::kStatus);
  CHECK(manager.Command("redis", {"SET", "key", "value"}, Soon()).value == Json("OK"));
  CHECK(manager.Command("redis", {"GET", "key"}, Soon()).value == Json("value"));
  HttpRequest request;
  request.method = "GET";
  CHECK(manager.Fetch("http", request, Soon()).status > 0);

  CHECK(Text(json, "/pools/redis/breaker/state") == "closed");

  metrics::Registry registry;
  const auto registrations = manager.RegisterMetrics(registry);
  CHECK(registrations.size() == 3);
  const std::string text = metrics::Expose(registry.Gather());
  CHECK(text.find(R"(perfkit_pool_connections_max{pool="database",backend="postgresql"} 20)") !=
        std::string::npos);
  CHECK(text.find(R"(perfkit_pool_breaker_state{pool="redis",backend="redis",state="closed"} 1)") !=
        std::string::npos);

  CHECK_THROWS_AS(manager.Query("redis", "select 1", {}, Soon()), Error);
  CHECK_THROWS_AS(manager.Command("nobody", {"PING"}, Soon()), Error);
  CHECK_THROWS_AS(manager.AddRedis("late", RedisConfig{}), Error);
  CHECK(manager.Stop(Soon()));
  CHECK(manager.Stop(Soon()));
  CHECK_THROWS_AS(manager.Command("redis", {"PING"}, Soon()), Error);
  CHECK(manager.Snapshot().Find("stale")->AsBool());
}

/// The value behind `series`, its name with its labels.
double Exposed(const std::string& text, const std::string& series) {
  CAPTURE(series);
  const std::size_t at = text.find("\n" + series + " ");
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + series.size() + 2));
}

TEST_CASE("pool manager exports how long dials, waits and loans took, each of them once") {
  if (!All().there) return;
  ConnectionPoolConfig config = Quick();
  config.db_min_size = config.db_max_size = 1;
  PoolManager manager(config);
  manager.InitializeDefaultPools(All().servers.Url("db"), All().servers.Url("kv"),
                                 All().servers.Url("speech"), Soon());
  metrics::Registry registry;
  const auto registrations = manager.RegisterMetrics(registry);
  constexpr int kThreads = 4, kQueries = 5;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int query = 0; query < kQueries; ++query) {
        CHECK(manager.Query("database", "select pg_sleep(0.01)", {}, Soon()).failure.text == "");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(manager.Command("redis", {"PING"}, Soon()).failure.text == "");
  CHECK(manager.Stop(Soon()));  // nothing is lent or asked any more
  const std::string text = metrics::Expose(registry.Gather());
  for (const std::string labels :
       {R"(pool="database",backend="postgresql")", R"(pool="redis",backend="redis")",
        R"(pool="http",backend="http")"}) {
    const auto value = [&](const char* name, const char* more = "") {
      return Exposed(text, fmt::format("perfkit_pool_{}{{{}{}}}", name, labels, more));
    };
    const double acquired = value("acquires_total", R"(,result="ok")");
    CHECK(acquired > 0);
    CHECK(value("connection_wait_seconds_count") == acquired);
    CHECK(value("connection_use_seconds_count") == acquired);
    CHECK(value("connection_use_seconds_sum") > 0);
    CHECK(value("connection_create_seconds_count") == value("connections_opened_total"));
    CHECK(value("connection_create_seconds_sum") > 0);
  }
  const std::string database = R"({pool="database",backend="postgresql"})";
  CHECK(Exposed(text, "perfkit_pool_connection_use_seconds_sum" + database) >=
        0.01 * kThreads * kQueries);
  CHECK(Exposed(text, "perfkit_pool_connection_wait_seconds_sum" + database) > 0);
}

TEST_CASE("pool manager lends to coroutines on its loop, and to many threads at once") {
  if (!All().there) return;
  PoolManager manager(Quick());
  manager.InitializeDefaultPools("", All().servers.Url("kv"), "", Soon());
  Json value;
  const auto borrow = [&]() -> Task<void> {
    auto acquired = co_await manager.Pool("redis").Borrow(Clock::now());
    CHECK_FALSE(acquired.failure);
    RedisCommand command;
    command.words = {"ECHO", "hello"};
    command.keep_reply = true;
    RedisReply reply;
    co_await acquired.loan.As<RedisConnection>().Execute(command, reply, Soon());
    value = reply.value;
    CHECK_THROWS_AS(manager.Command("redis", {"PING"}, Soon()), Error);  // would wait for itself
  };
  CHECK(manager.Run(borrow, Soon()));
  CHECK(value == Json("hello"));
  const auto fails = []() -> Task<void> {
    throw Error("mine");
    co_return;
  };
  CHECK_THROWS_WITH_AS(manager.Run(fails, Soon()), "mine", Error);

  std::vector<std::thread> threads;
  std::array<int, 4> good{};
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string text = fmt::format("{}-{}", t, i);
        good[t] += manager.Command("redis", {"ECHO", text}, Soon()).value == Json(text) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : good) CHECK(count == 200);
  CHECK(Number(manager.Snapshot(), "/pools/redis/most_in_use") <= 25);
}

TEST_CASE("pool manager names each target that it cannot reach") {
  const std::string nowhere = fmt::format("127.0.0.1:{}", test::ClosedPort());
  PoolManager manager(Quick());
  try {
    manager.InitializeDefaultPools(fmt::format("postgresql://u:geheim@{}/d", nowhere),
                                   fmt::format("redis://:geheim@{}", nowhere),
                                   fmt::format("http://{}", nowhere), Soon());
    FAIL("it started");
  } catch (const UnreachableError& error) {
    const std::string text = error.what();
    for (const char* name : {"pool database ", "pool redis ", "pool http "}) {
      CHECK(text.find(name) != std::string::npos);
    }
    CHECK(text.find("geheim") == std::string::npos);
  }
}

TEST_CASE("pool manager starts without a target where that is allowed, and serves the others") {
  if (!All().there) return;
  ConnectionPoolConfig config = Quick();
  config.require_reachable = false;
  PoolManager manager(config);
  manager.InitializeDefaultPools(All().servers.Url("db"),
                                 fmt::format("redis://:geheim@127.0.0.1:{}", test::ClosedPort()),
                                 "", Soon());
  const SqlRows rows = manager.Query("database", "select 1", {}, Soon());
  CHECK_FALSE(rows.failure);
  const RedisReply reply = manager.Command("redis", {"PING"}, Soon());
  CHECK(reply.failure.kind == ErrorKind::kConnect);
  const Json json = manager.Snapshot();
  CHECK_FALSE(json.Find("healthy")->AsBool());
  CHECK(Text(json, "/pools/redis/health/status") == "down");
  CHECK(Text(json, "/pools/redis/health/error") != "");
  CHECK(Text(json, "/pools/database/health/status") == "up");
  CHECK(json.Dump().find("geheim") == std::string::npos);
}

TEST_CASE("pool manager says when a target stops answering and when it answers again") {
  if (!All().there) return;
  ConnectionPoolConfig config = Quick();
  config.check_timeout = 100ms;
  config.connect_timeout = 200ms;
  Alerts alerts;
  PoolManager manager(config, alerts.Sink());
  manager.InitializeDefaultPools(All().servers.Url("db"), All().servers.Url("kv"), "", Soon());
  const pid_t redis = All().servers.Pid("kv");
  REQUIRE(::kill(redis, SIGSTOP) == 0);
  const auto down = alerts.Await(PoolAlert::Kind::kPoolDown);
  const bool others = !manager.Query("database", "select 1", {}, Soon()).failure;
  const Json json = manager.Snapshot();
  REQUIRE(::kill(redis, SIGCONT) == 0);
  REQUIRE(down.has_value());
  CHECK(down->pool == "redis");
  CHECK(others);
  CHECK_FALSE(json.Find("healthy")->AsBool());
  const auto up = alerts.Await(PoolAlert::Kind::kPoolUp);
  REQUIRE(up.has_value());
  CHECK(up->pool == "redis");
  CHECK(Await(manager, [](const Json& now) { return now.Find("healthy")->AsBool(); }));
}

TEST_CASE("pool manager closes idle connections and raises an alert above its memory") {
  if (!All().there) return;
  ConnectionPoolConfig config = Quick();
  config.max_memory_mb = 1;  // any process is larger
  Alerts alerts;
  PoolManager manager(config, alerts.Sink());
  manager.InitializeDefaultPools(All().servers.Url("db"), "", "", Soon());
  const auto high = alerts.Await(PoolAlert::Kind::kMemoryHigh);
  REQUIRE(high.has_value());
  CHECK(high->memory_bytes > 1 << 20);
  // Each look closes what lies idle, and each check has to dial again.
  CHECK(Await(manager, [](const Json& json) {
    return json.AtPointer("/memory/high")->AsBool() && Number(json, "/pools/database/dialled") > 8;
  }));
  CHECK_FALSE(manager.Snapshot().Find("healthy")->AsBool());
}

TEST_CASE("pool manager refuses what cannot work") {
  ConnectionPoolConfig config;
  config.db_max_size = 0;
  CHECK_THROWS_AS(PoolManager{config}, ConfigError);
  PoolManager manager;
  const RedisConfig redis = ParseRedisUrl("redis://127.0.0.1:1");
  manager.AddRedis("one", redis);
  CHECK_THROWS_AS(manager.AddRedis("one", redis), ConfigError);
  CHECK_THROWS_AS(manager.AddRedis("", redis), ConfigError);
  CHECK_THROWS_AS(manager.Command("one", {"PING"}, Soon()), Error);  // not started
  CHECK(manager.StatementId("a") == manager.StatementId("a"));
  CHECK(manager.StatementId("a") != manager.StatementId("b"));
}

}  // namespace
}  // namespace perf::backends

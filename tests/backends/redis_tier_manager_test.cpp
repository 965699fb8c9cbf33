// SPDX-License-Identifier: Apache-2.0
// Caches by name over a real Redis, as a program has them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <string>

#include "libperf/backends/redis_tier_factory.hpp"
#include "libperf/cache/cache_manager.hpp"
#include "libperf/metrics/exposition.hpp"
#include "redis_tier_bench.hpp"

namespace perf::backends {
namespace {

using cache::AnswerStatus;
using cache::Written;
using test::Admin;
using test::Eventually;
using test::Soon;

std::shared_ptr<RedisTierHub> HubOf(const std::string& url) {
  RedisTierHubOptions options;
  options.config = ParseRedisUrl(url);
  return std::make_shared<RedisTierHub>(std::move(options));
}

/// A process with caches of one Redis.
struct Process {
  Process(const std::string& url, const std::string& prefix)
      : hub(HubOf(url)), manager(Config(), Factory(hub, prefix)) {}

  static cache::CacheConfig Config() {
    cache::CacheConfig config;
    config.redis_enabled = true;
    return config;
  }
  static cache::CacheManager::TierFactory Factory(std::shared_ptr<RedisTierHub> hub,
                                                  const std::string& prefix) {
    RedisTierOptions options;
    options.prefix = prefix;
    return RedisTierFactory(std::move(hub), options);
  }
  cache::Cache& Add(const std::string& name) {
    cache::CacheOptions options = manager.Config().OptionsFor(name);
    options.tier.soft_timeout = options.tier.hard_timeout = std::chrono::seconds(10);
    cache::Cache& added = manager.Add(options);
    CHECK(Eventually([&] { return added.Stats().tier_coherent; }));
    return added;
  }

  std::shared_ptr<RedisTierHub> hub;
  cache::CacheManager manager;
};

void CheckShared(const std::string& url, const std::string& prefix) {
  Process one(url, prefix), two(url, prefix);
  cache::Cache& guests = one.Add("guests");
  cache::Cache& rooms = one.Add("rooms");
  cache::Cache& same = two.Add("guests");
  CHECK(guests.Set("k", "guest", Soon()).tier == Written::Tier::kWritten);
  CHECK(rooms.Set("k", "room", Soon()).tier == Written::Tier::kWritten);
  // Under the cache's name; caches of one name share what they have, those of others do not.
  CHECK(Admin(url, {"EXISTS", prefix + "guests:v{:k}"}).AsInt() == 1);
  CHECK(Admin(url, {"EXISTS", prefix + "rooms:v{:k}"}).AsInt() == 1);
  CHECK(same.Get("k", Soon()).value.Bytes() == "guest");
  CHECK(rooms.Get("k", Soon()).value.Bytes() == "room");
  // What one process writes the other one is told.
  CHECK(guests.Set("k", "changed", Soon()).tier == Written::Tier::kWritten);
  CHECK(Eventually([&] { return same.Get("k", Soon()).value.Bytes() == "changed"; }));
  guests.Clear(Soon());
  CHECK(Eventually([&] { return same.Get("k", Soon()).status == AnswerStatus::kAbsent; }));
  CHECK(rooms.Get("k", Soon()).value.Bytes() == "room");
}

TEST_CASE("redis tier factory: a tier for each name, in one Redis") {
  const auto url = test::RedisUrl();
  if (!url) return;
  CheckShared(*url, "factory:");
}

TEST_CASE("redis tier factory: metrics of the breaker, the requests and the links") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Process process(*url, "metrics:");
  cache::Cache& guests = process.Add("guests");
  CHECK(guests.Set("k", "v", Soon()).tier == Written::Tier::kWritten);
  CHECK(guests.Get("absent", Soon()).status == AnswerStatus::kAbsent);
  metrics::Registry registry;
  const auto held = process.manager.RegisterMetrics(registry);
  const metrics::MetricsSnapshot snapshot = registry.Gather();
  CHECK(snapshot.errors.empty());
  const std::string text = metrics::Expose(snapshot, {});
  CAPTURE(text);
  const auto has = [&](const std::string& name, const std::string& labels,
                       const std::string& value) {
    const std::string line = fmt::format("{}{{cache=\"guests\",tier=\"l2\"{}}} {}\n", name,
                                         labels.empty() ? "" : "," + labels, value);
    return text.find(line) != std::string::npos;
  };
  CHECK(has("perfkit_cache_tier_breaker_state", R"(state="closed")", "1"));
  CHECK(has("perfkit_cache_tier_breaker_state", R"(state="open")", "0"));
  CHECK(has("perfkit_cache_tier_breaker_failure_ratio", "", "0"));
  CHECK(has("perfkit_cache_tier_breaker_opened_total", "", "0"));
  CHECK(has("perfkit_cache_tier_breaker_rejected_total", "", "0"));
  CHECK(has("perfkit_cache_tier_requests_total", R"(operation="set",result="ok")", "1"));
  CHECK(has("perfkit_cache_tier_requests_total", R"(operation="get",result="absent")", "1"));
  CHECK(has("perfkit_cache_tier_requests_total", R"(operation="renew",result="refused")", "0"));
  CHECK(has("perfkit_cache_tracking_servers", "", "1"));
  CHECK(has("perfkit_cache_tracking_links_total", R"(event="opened")", "1"));
  CHECK(has("perfkit_cache_tracking_links_total", R"(event="lost")", "0"));
  CHECK(text.find("perfkit_cache_tier_connections{") != std::string::npos);
  CHECK(text.find("perfkit_cache_tracking_own_writes_total{") != std::string::npos);
}

TEST_CASE("redis tier: over TCP with a password" * doctest::test_suite("topologies")) {
  const auto servers = test::StartRedis(Topology::kPrimaryReplica);
  if (!servers) return;
  const std::string url = servers->NodeUrl("kv", 0);
  REQUIRE(url.find("redis://:") == 0);
  CheckShared(url, "secret:");
  // Without it, or with another, nothing is reached, and no text tells it.
  const auto door = test::DoorOf(*servers, 0);
  for (const std::string password : {"", ":wrong@"}) {
    CAPTURE(password);
    RedisTierOptions options;
    options.prefix = "secret:guests:";
    test::Tier tier(fmt::format("redis://{}127.0.0.1:{}", password, door.port), options);
    const auto status = tier.Get("k").status;
    CHECK((status == cache::TierStatus::kFailed || status == cache::TierStatus::kDown));
    CHECK(Eventually([&] { return tier.tier.Stats().tracking.refused > 0; }));
    CHECK_FALSE(tier.tier.Coherent());
    CHECK(tier.tier.ToJson().Dump().find("wrong@") == std::string::npos);
  }
}

}  // namespace
}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache_manager.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/metrics/exposition.hpp"

using namespace perf;
using namespace perf::cache;
using namespace std::chrono_literals;

namespace {

Deadline Soon() { return Deadline::After(Clock::now(), 10s); }

std::string Scrape(CacheManager& manager) {
  metrics::Registry registry;
  const auto held = manager.RegisterMetrics(registry);
  return metrics::Expose(registry.Gather(), {});
}

bool Has(const std::string& text, const std::string& line) {
  return text.find(line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("cache manager: named caches, each made as the configuration says") {
  CacheConfig config;
  config.memory_max_size = 7;
  config.default_ttl_seconds = 2;
  CacheManager manager(config);
  Cache& guests = manager.Add("guests");
  CacheOptions own;
  own.name = "own";
  own.policy = "lru";
  manager.Add(own);
  CHECK(&manager.Get("guests") == &guests);
  CHECK(manager.Find("nobody") == nullptr);
  CHECK_THROWS_AS(manager.Get("nobody"), Error);
  CHECK(manager.Names() == std::vector<std::string>{"guests", "own"});
  CHECK(guests.Options().max_entries == 7);
  CHECK(guests.Defaults().ttl == 2s);
  CHECK(manager.Get("own").Options().policy == "lru");
  CHECK_THROWS_AS(manager.Add("guests"), ConfigError);
  CHECK_THROWS_AS(manager.Add("a b"), ConfigError);
  CHECK_THROWS_AS(manager.Add(""), ConfigError);
  CHECK_THROWS_AS(manager.Add("x:y"), ConfigError);
  config.policy = "none";
  CHECK_THROWS_AS(CacheManager{config}, ConfigError);
}

TEST_CASE("cache manager: the factory is asked for tiers only where they are wanted") {
  std::vector<std::string> asked;
  const CacheManager::TierFactory factory = [&](const std::string& name) {
    asked.push_back(name);
    return std::shared_ptr<SecondTier>();
  };
  CacheConfig config;
  config.redis_enabled = false;
  CacheManager off(config, factory);
  off.Add("a");
  CHECK(asked.empty());
  config.redis_enabled = true;
  CacheManager on(config, factory);
  on.Add("a");
  on.Add("b");
  CHECK(asked == std::vector<std::string>{"a", "b"});
  CHECK(on.Snapshot()["a"]["l2"].IsNull());
}

TEST_CASE("cache manager: metrics and snapshot tell what the caches did") {
  CacheManager manager;
  Cache& cache = manager.Add("guests");
  const Loader load = [] { return Loaded{"value", std::nullopt}; };
  CHECK(cache.GetOrSet("k", load, Soon()).Found());
  CHECK(cache.GetOrSet("k", load, Soon()).from == AnswerFrom::kMemory);
  CHECK(cache.GetOrSet("k", load, Soon()).Found());
  CHECK(cache.Get("nothing", Soon()).status == AnswerStatus::kAbsent);
  const auto fail = [](const Answer& answer) { return answer.status == AnswerStatus::kError; };
  CHECK(fail(cache.GetOrSet("bad", []() -> Loaded { throw std::runtime_error("no"); }, Soon())));
  cache.Remove("k", Soon());
  const std::string text = Scrape(manager);
  CAPTURE(text);
  CHECK(Has(text, R"(perfkit_cache_requests_total{cache="guests",tier="l1",result="hit"} 2)"));
  CHECK(Has(text, R"(perfkit_cache_requests_total{cache="guests",tier="l1",result="miss"} 3)"));
  CHECK(Has(text, R"(perfkit_cache_loads_total{cache="guests",result="ok"} 1)"));
  CHECK(Has(text, R"(perfkit_cache_loads_total{cache="guests",result="error"} 1)"));
  CHECK(Has(text, R"(perfkit_cache_load_duration_seconds_count{cache="guests",result="ok"} 1)"));
  CHECK(Has(text, R"(perfkit_cache_operations_total{cache="guests",operation="delete"} 1)"));
  CHECK(Has(text, R"(perfkit_cache_entries_max{cache="guests",tier="l1"} 1000)"));
  CHECK(Has(text, R"(perfkit_cache_limit_bytes{cache="guests",tier="l1"} 52428800)"));
  Json snapshot = manager.Snapshot();
  CHECK(snapshot["guests"]["hit_ratio"].AsDouble() == doctest::Approx(0.4));
  CHECK(snapshot["guests"]["loads"]["failed"] == Json(1));
  CHECK(snapshot["guests"]["policy"] == Json("adaptive"));
}

TEST_CASE("typed cache: values of a type, loaded once") {
  CacheManager manager;
  manager.Add("n");
  auto typed = manager.Typed<std::int64_t>("n");
  int loads = 0;
  const auto source = [&]() -> std::optional<std::int64_t> {
    ++loads;
    return 42;
  };
  CHECK(!typed.Get("k", Soon()).Found());
  const auto first = typed.GetOrSet("k", source, Soon());
  CHECK(first.value == 42);
  CHECK(first.from == AnswerFrom::kLoader);
  const auto second = typed.GetOrSet("k", source, Soon());
  CHECK(second.value == 42);
  CHECK(second.from == AnswerFrom::kMemory);
  CHECK(loads == 1);
  CHECK(typed.Set("k", -1, Soon()).memory);
  CHECK(typed.Get("k", Soon()).value == -1);
  typed.Remove("k", Soon());
  CHECK(!typed.Get("k", Soon()).Found());
  const auto none = typed.GetOrSet("none", [] { return std::optional<std::int64_t>(); }, Soon());
  CHECK(none.status == AnswerStatus::kNegative);
  CHECK(!none.value);
  const auto failed = typed.GetOrSet(
      "bad", []() -> std::optional<std::int64_t> { throw std::runtime_error("no"); }, Soon());
  CHECK(failed.status == AnswerStatus::kError);
  CHECK(failed.error);
  CHECK_THROWS_AS(manager.Typed<Json>("nobody"), Error);
}

TEST_CASE("typed cache: what cannot be decoded is a counted miss, and loaded anew") {
  CacheManager manager;
  Cache& bytes = manager.Add("n");
  auto typed = manager.Typed<Json>("n");
  bytes.Set("k", "{broken", Soon());
  const auto got = typed.Get("k", Soon());
  CHECK(got.status == AnswerStatus::kAbsent);
  CHECK(!got.Found());
  // Gone, so that nobody stumbles over it again.
  CHECK(!bytes.Get("k", Soon()).Found());
  bytes.Set("k", "{broken", Soon());
  const auto loaded = typed.GetOrSet("k", [] { return std::optional<Json>(Json(7)); }, Soon());
  CHECK(loaded.value == Json(7));
  CHECK(loaded.from == AnswerFrom::kLoader);
  CHECK(typed.Get("k", Soon()).value == Json(7));
  CHECK(manager.Figures("n").undecodable_values == 2);
  CHECK(Has(Scrape(manager), R"(perfkit_cache_undecodable_values_total{cache="n"} 2)"));
}

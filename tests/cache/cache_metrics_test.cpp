// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache_metrics.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/metrics/exposition.hpp"

using namespace perf;
using namespace perf::cache;
using namespace std::chrono_literals;

namespace {

std::string Text(const CacheFigures& figures) {
  metrics::Registry registry;
  const auto held = RegisterCacheMetrics(registry, figures.cache, [&] { return figures; });
  const metrics::MetricsSnapshot snapshot = registry.Gather();
  CHECK(snapshot.errors.empty());
  return metrics::Expose(snapshot, {});
}

bool Has(const std::string& text, const std::string& line) {
  return text.find(line + "\n") != std::string::npos;
}

/// Answers each request at once, from the calling thread.
class EchoTier final : public SecondTier {
 public:
  void Get(std::string key, Deadline, Done<TierValue> done) override {
    done({TierStatus::kOk, key, 1s});
  }
  void Set(std::string, std::string, Duration, SetCondition, Deadline,
           Done<TierWritten> done) override {
    done({TierStatus::kOk, 0});
  }
  void Remove(std::vector<std::string>, Deadline, Done<TierStatus> done) override {
    done(TierStatus::kFailed);
  }
  void RemovePrefix(std::string, Deadline, Done<TierStatus> done) override {
    done(TierStatus::kOk);
  }
  void ReadTags(std::vector<TagQuery>, Deadline, Done<TierTags> done) override {
    done({TierStatus::kOk, {3}});
  }
  void BumpTags(std::vector<TagQuery>, Deadline, Done<TierTags> done) override {
    done({TierStatus::kOk, {4}});
  }
  void TryLock(std::string, Duration, Deadline, Done<TierLock> done) override {
    done({TierStatus::kRefused, 0});
  }
  void Renew(std::string, std::uint64_t, Duration, Deadline, Done<TierStatus> done) override {
    done(TierStatus::kOk);
  }
  void Unlock(std::string, std::uint64_t fence) override { unlocked = fence; }
  bool Reachable() const noexcept override { return true; }
  bool Coherent() const noexcept override { return false; }
  void SetListener(TierListener* given) override { listener = given; }
  std::uint64_t unlocked = 0;
  TierListener* listener = nullptr;
};

}  // namespace

TEST_CASE("cache metrics: counters by tier and result, never a ratio") {
  CacheFigures figures;
  figures.cache = "guests";
  figures.stats.memory_hits = 70;
  figures.stats.memory_stale = 2;
  figures.stats.memory_misses = 28;
  figures.stats.tier_hits = 20;
  figures.stats.tier_errors = 1;
  figures.stats.loads = 7;
  figures.stats.load_errors = 3;
  figures.stats.coalesced = 5;
  figures.stats.evicted_ttl = 4;
  figures.stats.repair_pending = 9;
  figures.stats.tier_present = true;
  figures.stats.tier_reachable = true;
  figures.stats.entries = 11;
  figures.stats.bytes = 1234;
  figures.max_entries = 1000;
  const std::string text = Text(figures);
  CAPTURE(text);
  CHECK(Has(text, R"(perfkit_cache_requests_total{cache="guests",tier="l1",result="hit"} 70)"));
  CHECK(Has(text, R"(perfkit_cache_requests_total{cache="guests",tier="l1",result="stale"} 2)"));
  CHECK(Has(text, R"(perfkit_cache_requests_total{cache="guests",tier="l2",result="error"} 1)"));
  CHECK(Has(text, R"(perfkit_cache_loads_total{cache="guests",result="ok"} 4)"));
  CHECK(Has(text, R"(perfkit_cache_loads_total{cache="guests",result="error"} 3)"));
  CHECK(Has(text, R"(perfkit_cache_coalesced_loads_total{cache="guests"} 5)"));
  CHECK(Has(text, R"(perfkit_cache_evictions_total{cache="guests",tier="l1",reason="ttl"} 4)"));
  CHECK(Has(text, R"(perfkit_cache_repair_pending{cache="guests",tier="l2"} 9)"));
  CHECK(Has(text, R"(perfkit_cache_tier_up{cache="guests",tier="l2"} 1)"));
  CHECK(Has(text, R"(perfkit_cache_tier_coherent{cache="guests",tier="l2"} 0)"));
  CHECK(Has(text, R"(perfkit_cache_entries{cache="guests",tier="l1"} 11)"));
  CHECK(Has(text, R"(perfkit_cache_entries_max{cache="guests",tier="l1"} 1000)"));
  CHECK(Has(text, R"(perfkit_cache_size_bytes{cache="guests",tier="l1"} 1234)"));
  // No limit, no series; no times, no histogram; and no gauge of a ratio anywhere.
  CHECK(text.find("perfkit_cache_limit_bytes") == std::string::npos);
  CHECK(text.find("duration_seconds_bucket{cache=") == std::string::npos);
  CHECK(text.find("_ratio") == std::string::npos);
}

TEST_CASE("cache metrics: a cache without a second tier has no series of one") {
  CacheFigures figures;
  figures.cache = "alone";
  const std::string text = Text(figures);
  CHECK(text.find("l2") == std::string::npos);
  CHECK(Has(text, R"(perfkit_cache_requests_total{cache="alone",tier="l1",result="hit"} 0)"));
  CHECK(Has(text, R"(perfkit_cache_undecodable_values_total{cache="alone"} 0)"));
}

TEST_CASE("cache metrics: a name is taken once, and free again when its registration goes") {
  metrics::Registry registry;
  const auto ask = [] { return CacheFigures{}; };
  {
    const auto held = RegisterCacheMetrics(registry, "a", ask);
    CHECK_THROWS_AS(static_cast<void>(RegisterCacheMetrics(registry, "a", ask)), Error);
  }
  CHECK_NOTHROW(static_cast<void>(RegisterCacheMetrics(registry, "a", ask)));
}

TEST_CASE("timed tier: hands everything on and measures each kind of request") {
  const auto echo = std::make_shared<EchoTier>();
  TimedTier tier(echo);
  const Deadline soon = Deadline::After(Clock::now(), 1s);
  std::string got;
  TierStatus removed = TierStatus::kOk;
  std::vector<std::uint64_t> generations;
  tier.Get("k", soon, [&](TierValue value) { got = value.bytes; });
  tier.Set("k", "v", 1s, {}, soon, [](const TierWritten&) {});
  tier.Remove({"k"}, soon, [&](TierStatus status) { removed = status; });
  tier.RemovePrefix("k", soon, [](TierStatus) {});
  tier.ReadTags({}, soon, [&](TierTags tags) { generations = tags.generations; });
  tier.BumpTags({}, soon, [](const TierTags&) {});
  tier.TryLock("k", 1s, soon, [](const TierLock&) {});
  tier.Unlock("k", 17);
  CHECK(got == "k");
  CHECK(removed == TierStatus::kFailed);
  CHECK(generations == std::vector<std::uint64_t>{3});
  CHECK(echo->unlocked == 17);
  CHECK(tier.Reachable());
  CHECK(!tier.Coherent());
  const auto count = [&](TierOperation operation) {
    return tier.Times().Of(operation).Snapshot().Count();
  };
  CHECK(count(TierOperation::kGet) == 1);
  CHECK(count(TierOperation::kSet) == 1);
  CHECK(count(TierOperation::kDelete) == 2);
  CHECK(count(TierOperation::kTags) == 2);
  CHECK(count(TierOperation::kLock) == 1);
  CacheFigures figures;
  figures.cache = "x";
  figures.tier_times = &tier.Times();
  CHECK(Has(
      Text(figures),
      R"(perfkit_cache_operation_duration_seconds_count{cache="x",tier="l2",operation="delete"} 2)"));
}

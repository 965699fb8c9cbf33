// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tier.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "redis_tier_bench.hpp"

namespace perf::backends {
namespace {

using cache::SetCondition;
using cache::TierStatus;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Admin;
using test::Eventually;
using test::Heard;
using test::Soon;
using test::Stamped;
using test::Tier;

/// Each test has keys of its own in the server that all share.
RedisTierOptions Named(const std::string& name, bool coherence = true) {
  RedisTierOptions options;
  options.prefix = name + ":";
  options.coherence = coherence;
  return options;
}

TEST_CASE("redis tier: what was set comes back, with the rest of its TTL") {
  const auto url = test::RedisUrl();
  if (!url) return;
  for (const bool coherence : {false, true}) {
    Tier tier(*url, Named(coherence ? "round" : "round-plain", coherence));
    if (coherence) tier.Settle();
    CHECK(tier.tier.Reachable());
    CHECK(tier.tier.Coherent() == coherence);
    CHECK(tier.Get("a").status == TierStatus::kAbsent);
    const std::string binary("\0\r\n\xFF{}", 6);
    for (const std::string key : {"a", "{", "}", "a}b{c}", "", "*[x]?", "\r\n\xFE"}) {
      CAPTURE(key);
      CHECK(tier.Set(key, binary + key, seconds(100)).status == TierStatus::kOk);
      const auto found = tier.Get(key);
      CHECK(found.status == TierStatus::kOk);
      CHECK(found.bytes == binary + key);
      CHECK(found.remaining <= seconds(100));
      CHECK(found.remaining > seconds(30));
    }
    CHECK(tier.Set("a", std::string(3'000'000, 'x')).status == TierStatus::kOk);
    CHECK(tier.Get("a").bytes.size() == 3'000'000);
    CHECK(tier.Remove({"a", "}", "no such"}) == TierStatus::kOk);
    CHECK(tier.Get("a").status == TierStatus::kAbsent);
    CHECK(tier.Get("}").status == TierStatus::kAbsent);
    CHECK(tier.Get("{").status == TierStatus::kOk);
    CHECK(tier.Remove({}) == TierStatus::kOk);
  }
}

TEST_CASE("redis tier: TTLs at the ends of their range") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier tier(*url, Named("ends", false));
  CHECK(tier.Set("short", "v", Duration(1)).status == TierStatus::kOk);
  CHECK(Eventually([&] { return tier.Get("short").status == TierStatus::kAbsent; }));
  for (const Duration ttl : {Duration::max(), Duration::max() - Duration(1)}) {
    CHECK(tier.Set("for ever", "v", ttl).status == TierStatus::kOk);
    CHECK(tier.Get("for ever").status == TierStatus::kOk);
    CHECK(tier.Get("for ever").remaining == Duration::max());
  }
  CHECK(tier.Set("second", "v", milliseconds(999)).status == TierStatus::kOk);
  const auto found = tier.Get("second");
  CHECK((found.status == TierStatus::kAbsent || found.remaining <= milliseconds(999)));
  CHECK(Eventually([&] { return tier.Get("second").status == TierStatus::kAbsent; }));
}

TEST_CASE("redis tier: a set with a condition is refused when it does not hold") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier tier(*url, Named("conditions"));
  tier.Settle();
  using Kind = SetCondition::Kind;
  // Beyond 2^53, and with bytes that a locale might sort in another way.
  const std::uint64_t held = 0x8081'82C3'FF00'E1F0U;
  CHECK(tier.Set("k", Stamped(held), seconds(60), {Kind::kUnlessNewer, held, 0}).status ==
        TierStatus::kOk);
  for (const std::uint64_t stamp : {held - 1, held - (std::uint64_t{1} << 32), std::uint64_t{1}}) {
    const auto refused = tier.Set("k", Stamped(stamp), seconds(60), {Kind::kUnlessNewer, stamp, 0});
    CHECK(refused.status == TierStatus::kRefused);
    CHECK(refused.stamp == held);
  }
  CHECK(tier.Get("k").bytes == Stamped(held));
  CHECK(tier.Set("k", Stamped(held, "same"), seconds(60), {Kind::kUnlessNewer, held, 0}).status ==
        TierStatus::kOk);
  const std::uint64_t next = held + 1;
  CHECK(tier.Set("k", Stamped(next), seconds(60), {Kind::kIfSame, held, 0}).status ==
        TierStatus::kOk);
  const auto refused = tier.Set("k", Stamped(next), seconds(60), {Kind::kIfSame, held, 0});
  CHECK(refused.status == TierStatus::kRefused);
  CHECK(refused.stamp == next);
  // Nothing, and what is too short, has the stamp 0.
  CHECK(tier.Set("none", Stamped(1), seconds(60), {Kind::kIfSame, 0, 0}).status == TierStatus::kOk);
  CHECK(tier.Set("stub", "abc").status == TierStatus::kOk);
  CHECK(tier.Set("stub", Stamped(5), seconds(60), {Kind::kIfSame, 7, 0}).status ==
        TierStatus::kRefused);
  CHECK(tier.Set("stub", Stamped(5), seconds(60), {Kind::kIfSame, 0, 0}).status == TierStatus::kOk);
  CHECK(tier.Get("stub").remaining <= seconds(60));
}

TEST_CASE("redis tier: a value of another kind under its name is a failure, not a value") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier tier(*url, Named("foreign", false));
  Admin(*url, {"RPUSH", "foreign:v{:k}", "x"});
  CHECK(tier.Get("k").status == TierStatus::kFailed);
  CHECK(tier.Remove({"k"}) == TierStatus::kOk);
  CHECK(tier.Get("k").status == TierStatus::kAbsent);
  CHECK(tier.tier.Reachable());
}

TEST_CASE("redis tier: a prefix is removed, and what only looks like it stays") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier tier(*url, Named("prefixes"));
  for (int i = 0; i < 1'500; ++i) tier.Set(fmt::format("a*[{}", i), "v");
  tier.Set("ab[1", "v");
  tier.Set("a*", "v");
  Admin(*url, {"SET", "prefixes:other", "v"});
  const auto lock = tier.TryLock("a*[1");
  CHECK(tier.RemovePrefix("a*[") == TierStatus::kOk);
  CHECK(tier.Get("a*[0").status == TierStatus::kAbsent);
  CHECK(tier.Get("a*[1499").status == TierStatus::kAbsent);
  CHECK(tier.Get("ab[1").status == TierStatus::kOk);
  CHECK(tier.Get("a*").status == TierStatus::kOk);
  CHECK(tier.TryLock("a*[1").status == TierStatus::kRefused);
  tier.tier.Unlock("a*[1", lock.fence);
  CHECK(tier.RemovePrefix("") == TierStatus::kOk);
  CHECK(tier.Get("ab[1").status == TierStatus::kAbsent);
  CHECK(Admin(*url, {"GET", "prefixes:other"}) == Json("v"));
}

TEST_CASE("redis tier: generations of tags go up only, whatever is lost") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier one(*url, Named("tags"));
  Tier two(*url, Named("tags"));
  Heard heard(two.tier);
  one.Settle();
  two.Settle();
  auto tags = one.ReadTags({{"a", 0, 100}, {"b", 0, 200}, {"c", 300, 1}});
  CHECK(tags.status == TierStatus::kOk);
  CHECK(tags.generations == std::vector<std::uint64_t>{100, 200, 300});
  // It was stored.
  tags = two.ReadTags({{"b", 0, 999}, {"a", 150, 999}, {"c", 0, 999}});
  CHECK(tags.generations == std::vector<std::uint64_t>{200, 150, 300});
  heard.Forget();
  tags = one.BumpTags({{"a", 0, 0}, {"b", 500, 0}});
  CHECK(tags.generations == std::vector<std::uint64_t>{151, 500});
  CHECK(Eventually([&] { return heard.Tag("a") && heard.Tag("b"); }));
  CHECK_FALSE(heard.Tag("c"));
  heard.Forget();
  Admin(*url, {"DEL", "tags:t{:a}"});
  CHECK(Eventually([&] { return heard.Tag("a"); }));
  tags = one.ReadTags({{"a", 151, 7}});
  CHECK(tags.generations == std::vector<std::uint64_t>{151});
  const std::uint64_t most = (std::uint64_t{1} << 53) - 2;
  tags = one.BumpTags({{"big", most, 0}});
  CHECK(tags.generations == std::vector<std::uint64_t>{most});
  tags = one.BumpTags({{"big", 0, 0}});
  CHECK(tags.generations == std::vector<std::uint64_t>{most + 1});
  CHECK(one.ReadTags({}).status == TierStatus::kOk);
  Admin(*url, {"SET", "tags:t{:a}", "rubbish"});
  CHECK(one.ReadTags({{"a", 5, 5}}).status == TierStatus::kFailed);
}

TEST_CASE("redis tier: a lock has one holder, a growing fence, and an end") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier one(*url, Named("locks"));
  Tier two(*url, Named("locks", false));
  const auto first = one.TryLock("k");
  CHECK(first.status == TierStatus::kOk);
  CHECK(two.TryLock("k").status == TierStatus::kRefused);
  CHECK(two.TryLock("other").status == TierStatus::kOk);
  two.tier.Unlock("k", first.fence + 1);  // not the holder
  CHECK(two.TryLock("k").status == TierStatus::kRefused);
  one.tier.Unlock("k", first.fence);
  cache::TierLock second;
  CHECK(Eventually([&] {
    second = two.TryLock("k", milliseconds(30));
    return second.status == TierStatus::kOk;
  }));
  CHECK(second.fence > first.fence);
  // It ends by itself.
  cache::TierLock third;
  CHECK(Eventually([&] {
    third = one.TryLock("k");
    return third.status == TierStatus::kOk;
  }));
  CHECK(third.fence > second.fence);
  // Whoever held it before may not write any more.
  using Kind = SetCondition::Kind;
  CHECK(two.Set("k", "late", seconds(60), {Kind::kAlways, 0, second.fence}).status ==
        TierStatus::kRefused);
  CHECK(one.Set("k", "right", seconds(60), {Kind::kAlways, 0, third.fence}).status ==
        TierStatus::kOk);
  CHECK(two.Get("k").bytes == "right");
  // A fence that was lost goes on above all before.
  one.tier.Unlock("k", third.fence);
  Admin(*url, {"DEL", "locks:f{:k}"});
  cache::TierLock fourth;
  CHECK(Eventually([&] {
    fourth = two.TryLock("k");
    return fourth.status == TierStatus::kOk;
  }));
  CHECK(fourth.fence > third.fence);
}

TEST_CASE("redis tier: a lock is renewed by its holder alone") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier one(*url, Named("renewals"));
  Tier two(*url, Named("renewals", false));
  const auto first = one.TryLock("k", seconds(1));
  REQUIRE(first.status == TierStatus::kOk);
  CHECK(one.Renew("k", first.fence, seconds(1000)) == TierStatus::kOk);
  CHECK(Admin(*url, {"PTTL", "renewals:l{:k}"}).AsInt() > 100'000);
  CHECK(two.Renew("k", first.fence + 1, seconds(2)) == TierStatus::kRefused);
  CHECK(two.Renew("k", first.fence / 10, seconds(2)) == TierStatus::kRefused);
  CHECK(Admin(*url, {"PTTL", "renewals:l{:k}"}).AsInt() > 100'000);
  CHECK(one.Renew("k", first.fence, Duration::max()) == TierStatus::kOk);
  one.tier.Unlock("k", first.fence);
  CHECK(
      Eventually([&] { return one.Renew("k", first.fence, seconds(2)) == TierStatus::kRefused; }));
  // Held by another now: still refused, and the other keeps it.
  const auto second = two.TryLock("k");
  REQUIRE(second.status == TierStatus::kOk);
  CHECK(one.Renew("k", first.fence, seconds(2)) == TierStatus::kRefused);
  CHECK(two.Renew("k", second.fence, seconds(60)) == TierStatus::kOk);
  CHECK(one.tier.ToJson().Dump().find("\"renew\"") != std::string::npos);
}

TEST_CASE("redis tier: two tiers and eight threads take turns under one lock") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier one(*url, Named("turns"));
  Tier two(*url, Named("turns"));
  std::atomic<int> inside{0};
  std::atomic<int> clashes{0};
  std::mutex mutex;
  std::vector<std::uint64_t> fences;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        Tier& mine = i % 2 == 0 ? one : two;
        for (int turn = 0; turn < 25; ++turn) {
          cache::TierLock lock;
          while (lock.status != TierStatus::kOk) {
            lock = mine.TryLock("k");
            std::this_thread::yield();
          }
          if (inside.fetch_add(1) != 0) ++clashes;
          {
            const std::lock_guard guard(mutex);
            fences.push_back(lock.fence);
          }
          inside.fetch_sub(1);
          mine.tier.Unlock("k", lock.fence);
        }
      });
    }
  }
  CHECK(clashes == 0);
  CHECK(fences.size() == 200);
  CHECK(std::is_sorted(fences.begin(), fences.end()));
  CHECK(std::set<std::uint64_t>(fences.begin(), fences.end()).size() == 200);
}

TEST_CASE("redis tier: what is asked past its deadline, or beside nobody, is answered") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier tier(*url, Named("late", false));
  CHECK(tier.Get("k", Deadline(Clock::now() - seconds(1))).status == TierStatus::kTimeout);
  CHECK(tier.tier.Reachable());
  Tier nobody(fmt::format("redis://127.0.0.1:{}", test::ClosedPort()), Named("nobody"));
  Heard heard(nobody.tier);
  // A new listener is told of the state that it may have missed.
  CHECK(Eventually([&] { return heard.States() == 1; }));
  CHECK(nobody.Get("k").status == TierStatus::kDown);
  for (int i = 0; i < 30; ++i) CHECK(nobody.Set("k", "v").status == TierStatus::kDown);
  CHECK_FALSE(nobody.tier.Reachable());
  CHECK(Eventually([&] { return heard.States() == 2; }));
  CHECK(nobody.TryLock("k").status == TierStatus::kDown);
  CHECK(nobody.RemovePrefix("") == TierStatus::kDown);
  CHECK(nobody.ReadTags({{"t", 0, 1}}).status == TierStatus::kDown);
  CHECK_FALSE(nobody.tier.Coherent());
  CHECK(nobody.tier.Stats().tracking.refused > 0);
}

TEST_CASE("redis tier: names that cannot be are refused") {
  RedisTierOptions options;
  for (const char* prefix : {"", "a{b", "}"}) {
    options.prefix = prefix;
    CHECK_THROWS_AS(RedisTier("redis://127.0.0.1:1", options), ConfigError);
  }
  CHECK_THROWS_AS(RedisTier("http://127.0.0.1:1", RedisTierOptions()), ConfigError);
}

TEST_CASE("redis tier: its end answers what is under way") {
  auto servers = test::StartRedis(Topology::kSingle);
  if (!servers) return;
  std::atomic<int> answers{0};
  {
    Tier tier(servers->Url("kv"), Named("end"));
    tier.Settle();
    servers->Act("kv", ServerAction::kStop, std::nullopt, Soon());
    for (int i = 0; i < 50; ++i) {
      tier.tier.Get("k", Soon(), [&](const cache::TierValue&) { ++answers; });
      tier.tier.Set("k", "v", seconds(1), {}, Soon(),
                    [&](const cache::TierWritten&) { ++answers; });
    }
  }
  CHECK(answers == 100);
  servers->Act("kv", ServerAction::kContinue, std::nullopt, Soon());
  // The hub lives on for others.
  RedisTierHubOptions options;
  options.config = ParseRedisUrl(servers->Url("kv"));
  const auto hub = std::make_shared<RedisTierHub>(options);
  Tier stays(hub, Named("stays"));
  {
    Tier goes(hub, Named("goes"));
    goes.Settle();
    for (int i = 0; i < 50; ++i) {
      goes.tier.Get("k", Soon(), [&](const cache::TierValue&) { ++answers; });
    }
  }
  CHECK(answers == 150);
  stays.Settle();
  CHECK(stays.Set("k", "v").status == TierStatus::kOk);
}

}  // namespace
}  // namespace perf::backends

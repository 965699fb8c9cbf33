// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tracking.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/fault_proxy.hpp"
#include "libperf/base/units.hpp"
#include "redis_tier_bench.hpp"

namespace perf::backends {
namespace {

using cache::SetCondition;
using cache::TierStatus;
using std::chrono::seconds;
using test::Admin;
using test::Eventually;
using test::Heard;
using test::Soon;
using test::Stamped;
using test::Tier;

RedisTierOptions Named(const std::string& name) {
  RedisTierOptions options;
  options.prefix = name + ":";
  return options;
}

/// The ids of the connections that ask for invalidations, each with that of the one they go to.
std::vector<std::pair<std::int64_t, std::int64_t>> Pairs(const std::string& url) {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  const std::string list = Admin(url, {"CLIENT", "LIST"}).AsString();
  for (const std::string_view line : Split(list, '\n')) {
    std::int64_t id = 0;
    std::int64_t to = -1;
    for (const std::string_view word : Split(line, ' ')) {
      if (word.starts_with("id=")) id = ParseInteger(word.substr(3)).value_or(0);
      if (word.starts_with("redir=")) to = ParseInteger(word.substr(6)).value_or(-1);
    }
    if (to > 0) pairs.emplace_back(id, to);
  }
  return pairs;
}

/// Waits until the flush and the new link are there.
void FlushedAndBack(Tier& tier, const Heard& heard, int flushed_before) {
  CHECK(Eventually([&] { return heard.Everything() > flushed_before; }));
  tier.Settle();
}

TEST_CASE("redis tracking: others' writes are heard of, our own are not") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier mine(*url, Named("own"));
  Tier theirs(*url, Named("own"));
  Tier stranger(*url, Named("own2"));
  mine.Settle();
  theirs.Settle();
  stranger.Settle();
  Heard heard(mine.tier);
  Heard afar(stranger.tier);
  using Kind = SetCondition::Kind;
  mine.Set("plain", "v");
  mine.Set("stamped", Stamped(5), seconds(60), {Kind::kUnlessNewer, 5, 0});
  mine.Set("removed", "v");
  mine.Remove({"removed"});
  const std::string long_value = Stamped(9) + std::string(100'000, 'x');
  mine.Set("long", long_value);
  theirs.Set("end", "v");
  CHECK(Eventually([&] { return heard.Key("end"); }));
  CHECK(Eventually([&] { return mine.tier.Stats().own_writes == 2; }));
  CHECK(mine.Get("long").bytes == long_value);
  CHECK_FALSE(heard.Key("long"));
  CHECK_FALSE(heard.Key("plain"));
  CHECK_FALSE(heard.Key("stamped"));
  CHECK_FALSE(heard.Key("removed"));
  // Theirs over ours, and the other way round.
  theirs.Set("stamped", Stamped(6), seconds(60), {Kind::kUnlessNewer, 6, 0});
  theirs.Set("plain", "w");
  theirs.Remove({"removed"});  // is not there: nothing changed
  CHECK(Eventually([&] { return heard.Key("stamped") && heard.Key("plain"); }));
  heard.Forget();
  // Ours is refused by what they wrote before, which we have not heard of.
  CHECK(mine.Set("stamped", Stamped(4), seconds(60), {Kind::kUnlessNewer, 4, 0}).status ==
        TierStatus::kRefused);
  theirs.Set("stamped", Stamped(7), seconds(60), {Kind::kUnlessNewer, 7, 0});
  CHECK(Eventually([&] { return heard.Key("stamped"); }));
  CHECK(mine.tier.Stats().tracking.lost == 0);
  stranger.Set("x", "v");
  CHECK_FALSE(afar.Key("end"));
}

TEST_CASE("redis tracking: a write of ours that is to be heard is, whatever else we wrote") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier mine(*url, Named("heard"));
  Tier theirs(*url, Named("heard"));
  mine.Settle();
  theirs.Settle();
  Heard heard(mine.tier);
  SetCondition condition;
  condition.heard = true;
  for (std::uint64_t stamp = 1; stamp < 50; stamp += 2) {
    heard.Forget();
    mine.Set("k", Stamped(stamp), seconds(60), {SetCondition::Kind::kUnlessNewer, stamp, 0});
    theirs.Remove({"k"});
    CHECK(mine.Set("k", Stamped(stamp + 1), seconds(60), condition).status == TierStatus::kOk);
    // Theirs may have been told before, with or without ours.
    theirs.Set("end", "v");
    CHECK(Eventually([&] { return heard.Key("k") && heard.Key("end"); }));
    heard.Forget();
    mine.Set("k", Stamped(stamp + 1), seconds(60), condition);
    CHECK(Eventually([&] { return heard.Key("k"); }));
  }
}

TEST_CASE("redis tracking: each value that two write by turns is heard of by who wrote before") {
  const auto url = test::RedisUrl();
  if (!url) return;
  Tier mine(*url, Named("turns"));
  Tier theirs(*url, Named("turns"));
  mine.Settle();
  theirs.Settle();
  Heard heard(mine.tier);
  Heard them(theirs.tier);
  for (std::uint64_t stamp = 2; stamp < 100; stamp += 2) {
    using Kind = SetCondition::Kind;
    heard.Forget();
    them.Forget();
    mine.Set("k", Stamped(stamp), seconds(60), {Kind::kUnlessNewer, stamp, 0});
    CHECK(Eventually([&] { return them.Key("k"); }));
    theirs.Set("k", Stamped(stamp + 1), seconds(60), {Kind::kUnlessNewer, stamp + 1, 0});
    CHECK(Eventually([&] { return heard.Key("k"); }));
  }
}

TEST_CASE("redis tracking: expiry, flush, tags and other hands are heard of") {
  const auto url = test::RedisUrl();
  if (!url) return;
  auto servers = test::StartRedis(Topology::kSingle);
  if (!servers) return;
  const std::string own = servers->Url("kv");
  Tier tier(own, Named("kinds"));
  tier.Settle();
  Heard heard(tier.tier);
  tier.Set("expires", "v", std::chrono::milliseconds(20));
  CHECK(Eventually([&] { return heard.Key("expires"); }));
  Admin(own, {"SET", "kinds:v{:by hand}", "x"});
  CHECK(Eventually([&] { return heard.Key("by hand"); }));
  Admin(own, {"SET", "kinds:t{:by hand}", "7"});
  CHECK(Eventually([&] { return heard.Tag("by hand"); }));
  const int before = heard.Everything();
  Admin(own, {"FLUSHALL"});
  CHECK(Eventually([&] { return heard.Everything() > before; }));
  CHECK(tier.tier.Coherent());
  CHECK(tier.tier.Stats().tracking.lost == 0);
}

TEST_CASE("redis tracking: either link that is killed flushes, and is there again") {
  auto servers = test::StartRedis(Topology::kSingle);
  if (!servers) return;
  const std::string url = servers->Url("kv");
  Tier tier(url, Named("kill"));
  Tier other(url, Named("kill"));
  tier.Settle();
  other.Settle();
  Heard heard(tier.tier);
  for (int round = 0; round < 6; ++round) {
    CAPTURE(round);
    CHECK(Eventually([&] { return Pairs(url).size() == 2; }));
    const auto pairs = Pairs(url);
    const int before = heard.Everything();
    const auto lost = tier.tier.Stats().tracking.lost;
    for (const auto& [data, push] : pairs) {
      Admin(url, {"CLIENT", "KILL", "ID", std::to_string(round % 2 == 0 ? data : push)});
    }
    FlushedAndBack(tier, heard, before);
    other.Settle();
    CHECK(tier.tier.Stats().tracking.lost == lost + 1);
    heard.Forget();
    const std::string key = fmt::format("after {}", round);
    CHECK(other.Set(key, "v").status == TierStatus::kOk);
    CHECK(Eventually([&] { return heard.Key(key); }));
  }
}

TEST_CASE("redis tracking: a link that swallows everything is not believed, and is replaced") {
  auto servers = test::StartRedis(Topology::kSingle);
  if (!servers) return;
  const std::string socket = servers->Url("kv").substr(std::string("unix://").size());
  FaultProxyOptions options;
  options.upstream.unix_socket = socket;
  FaultProxy proxy(std::move(options));
  Tier tier(fmt::format("redis://127.0.0.1:{}", proxy.Address().port), Named("hole"));
  tier.Settle();
  Heard heard(tier.tier);
  for (const bool down : {true, false}) {
    const int before = heard.Everything();
    Fault hole;
    (down ? hole.down : hole.up).harm = Harm::kBlackhole;
    const TimePoint begun = Clock::now();
    proxy.Set(hole);
    CHECK(Eventually([&] { return !tier.tier.Coherent(); }));
    const Duration believed = Clock::now() - begun;
    CHECK(Eventually([&] { return heard.Everything() > before; }));
    const Duration flushed = Clock::now() - begun;
    MESSAGE("not believed after " << ToMs(believed) << " ms, flushed after " << ToMs(flushed)
                                  << " ms");
    proxy.Clear();
    FlushedAndBack(tier, heard, before + 1);
  }
}

TEST_CASE("redis tracking: a server that stands still, and one that is gone, come back") {
  auto servers = test::StartRedis(Topology::kSingle);
  if (!servers) return;
  Tier tier(servers->Url("kv"), Named("still"));
  tier.Settle();
  Heard heard(tier.tier);
  CHECK(tier.Set("k", "v").status == TierStatus::kOk);
  const auto act = [&](ServerAction action) { servers->Act("kv", action, std::nullopt, Soon()); };
  for (const bool killed : {false, true}) {
    CAPTURE(killed);
    const int before = heard.Everything();
    act(killed ? ServerAction::kKill : ServerAction::kStop);
    CHECK(Eventually([&] { return heard.Everything() > before && !tier.tier.Coherent(); }));
    // Nobody waits for longer than it wants to; soon nobody waits at all.
    CHECK(Eventually([&] {
      const auto status = tier.Set("k", "w", seconds(60), {},
                                   Deadline::After(Clock::now(), std::chrono::milliseconds(50)))
                              .status;
      CHECK(status != TierStatus::kOk);
      return status == TierStatus::kDown && !tier.tier.Reachable();
    }));
    act(killed ? ServerAction::kRestart : ServerAction::kContinue);
    CHECK(Eventually([&] { return tier.tier.Reachable(); }));
    FlushedAndBack(tier, heard, before + 1);
    CHECK(tier.Set("k", "x").status == TierStatus::kOk);
    CHECK(tier.Get("k").bytes == "x");
  }
  const auto stats = tier.tier.Stats();
  CHECK(stats.hub.breaker.opened >= 2);
  CHECK(stats.hub.breaker.state == pool::Breaker::State::kClosed);
}

TEST_CASE("redis tracking: a hundred caches on one hub lose all their links at once") {
  auto servers = test::StartRedis(Topology::kSingle);
  if (!servers) return;
  const std::string url = servers->Url("kv");
  RedisTierHubOptions options;
  options.config = ParseRedisUrl(url);
  const auto hub = std::make_shared<RedisTierHub>(options);
  std::vector<std::unique_ptr<Tier>> tiers;
  std::vector<std::unique_ptr<Heard>> heard;
  for (int i = 0; i < 100; ++i) {
    tiers.push_back(std::make_unique<Tier>(hub, Named("hundred")));
    heard.push_back(std::make_unique<Heard>(tiers.back()->tier));
  }
  for (const auto& tier : tiers) tier->Settle();
  CHECK(Eventually([&] { return Pairs(url).size() == 100; }));
  std::vector<int> before;
  for (const auto& one : heard) before.push_back(one->Everything());
  Admin(url, {"CLIENT", "KILL", "TYPE", "pubsub"});
  for (std::size_t i = 0; i < tiers.size(); ++i) FlushedAndBack(*tiers[i], *heard[i], before[i]);
  CHECK(tiers[0]->Set("k", "v").status == TierStatus::kOk);
  for (std::size_t i = 1; i < tiers.size(); ++i) {
    CHECK(Eventually([&] { return heard[i]->Key("k"); }));
  }
  CHECK_FALSE(heard[0]->Key("k"));
}

}  // namespace
}  // namespace perf::backends

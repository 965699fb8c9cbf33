// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/redis_slots.hpp"
#include "libperf/backends/redis_tier.hpp"
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

TEST_SUITE_BEGIN("topologies");

Deadline Briefly() { return Deadline::After(Clock::now(), milliseconds(100)); }

/// Another process's write, again and again until it is acknowledged.
void WriteAtLast(Tier& tier, const std::string& key, const std::string& bytes) {
  CHECK(Eventually(
      [&] { return tier.Set(key, bytes, seconds(60), {}, Briefly()).status == TierStatus::kOk; }));
}

void Failover(ServerAction action) {
  auto servers = test::StartRedis(Topology::kSentinel);
  if (!servers) return;
  Tier mine(servers->Url("kv"));
  Tier theirs(servers->Url("kv"));
  mine.Settle();
  theirs.Settle();
  Heard heard(mine.tier);
  CHECK(theirs.Set("k", "1").status == TierStatus::kOk);
  CHECK(Eventually([&] { return heard.Key("k"); }));
  CHECK(mine.Get("k").bytes == "1");
  const int before = heard.Everything();
  servers->Act("kv", action, std::nullopt, Soon());
  // Whoever went on being served by the one that was the primary hears of that at the latest here.
  CHECK(Eventually([&] { return heard.Everything() > before; }));
  CHECK(Eventually([&] { return mine.tier.Coherent() && theirs.tier.Coherent(); }));
  heard.Forget();
  WriteAtLast(theirs, "k", "2");
  CHECK(Eventually([&] { return heard.Key("k"); }));
  CHECK(Eventually([&] { return mine.Get("k", Briefly()).bytes == "2"; }));
  const auto stats = mine.tier.Stats();
  CHECK(stats.tracking.servers == 1);
  CHECK(stats.tracking.coherent);
  if (action == ServerAction::kStop) {
    servers->Act("kv", ServerAction::kContinue, std::nullopt, Soon());
  }
}

TEST_CASE("redis tier sentinel: the primary is killed, and invalidations come from the next") {
  Failover(ServerAction::kKill);
}

TEST_CASE("redis tier sentinel: the primary goes mute, and invalidations come from the next") {
  Failover(ServerAction::kStop);
}

TEST_CASE("redis tier sentinel: another one is promoted, and invalidations come from it") {
  Failover(ServerAction::kPromote);
}

TEST_CASE("redis tier cluster: every request finds its node, and all nodes are followed") {
  auto servers = test::StartRedis(Topology::kCluster);
  if (!servers) return;
  Tier mine(servers->Url("kv"));
  Tier theirs(servers->Url("kv"));
  mine.Settle();
  theirs.Settle();
  CHECK(mine.tier.Stats().tracking.servers == 3);
  Heard heard(mine.tier);
  std::vector<std::string> keys;
  for (int i = 0; i < 60; ++i) keys.push_back(fmt::format("key}}{}", i));
  using Kind = SetCondition::Kind;
  for (const std::string& key : keys) {
    CHECK(theirs.Set(key, Stamped(1), seconds(60), {Kind::kUnlessNewer, 1, 0}).status ==
          TierStatus::kOk);
  }
  for (const std::string& key : keys) {
    CHECK(Eventually([&] { return heard.Key(key); }));
    CHECK(mine.Get(key).bytes == Stamped(1));
    const auto lock = mine.TryLock(key);
    CHECK(lock.status == TierStatus::kOk);
    CHECK(mine.Set(key, Stamped(2), seconds(60), {Kind::kIfSame, 1, lock.fence}).status ==
          TierStatus::kOk);
    CHECK(theirs.TryLock(key).status == TierStatus::kRefused);
    mine.tier.Unlock(key, lock.fence);
  }
  std::vector<cache::TagQuery> tags;
  for (std::uint64_t i = 0; i < 20; ++i) tags.push_back({fmt::format("tag {}", i), 0, 10 + i});
  CHECK(mine.ReadTags(tags).generations.at(7) == 17);
  CHECK(theirs.BumpTags(tags).generations.at(7) == 18);
  CHECK(Eventually([&] { return heard.Tag("tag 7"); }));
  CHECK(theirs.Remove({keys[0], keys[1], keys[2]}) == TierStatus::kOk);
  CHECK(mine.Get(keys[1]).status == TierStatus::kAbsent);
  CHECK(mine.RemovePrefix("key}1") == TierStatus::kOk);
  CHECK(mine.Get("key}19").status == TierStatus::kAbsent);
  CHECK(mine.Get("key}20").status == TierStatus::kOk);
  CHECK(mine.tier.Stats().tracking.lost == 0);
}

TEST_CASE("redis tier cluster: a node that dies flushes, and comes back with its part") {
  auto servers = test::StartRedis(Topology::kCluster);
  if (!servers) return;
  Tier mine(servers->Url("kv"));
  Tier theirs(servers->Url("kv"));
  mine.Settle();
  theirs.Settle();
  Heard heard(mine.tier);
  servers->Act("kv", ServerAction::kKill, 1, Soon());
  CHECK(Eventually([&] { return heard.Everything() > 0 && !mine.tier.Coherent(); }));
  servers->Act("kv", ServerAction::kRestart, 1, Soon());
  mine.Settle();
  theirs.Settle();
  CHECK(mine.tier.Stats().tracking.servers == 3);
  for (int i = 0; i < 30; ++i) {
    const std::string key = fmt::format("k{}", i);
    WriteAtLast(theirs, key, "v");
    CHECK(Eventually([&] { return heard.Key(key); }));
  }
}

TEST_CASE("redis tier cluster: a slot that moves is followed where it goes") {
  auto servers = test::StartRedis(Topology::kCluster);
  if (!servers) return;
  Tier mine(servers->Url("kv"));
  Tier theirs(servers->Url("kv"));
  mine.Settle();
  theirs.Settle();
  Heard heard(mine.tier);
  // The slot of some key moves, empty, from its node to the next.
  const std::string key = "moves";
  const std::uint16_t slot = SlotOfKey(fmt::format("{}v{{:{}}}", RedisTierOptions().prefix, key));
  const auto say = [&](std::size_t node, const std::string& text) {
    return AskRedis(test::DoorOf(*servers, node), text);
  };
  const auto id = [&](std::size_t node) {
    const std::string reply = say(node, "CLUSTER MYID");
    return std::string(Trim(reply.substr(reply.find("\r\n"))));
  };
  const std::size_t target = (slot / 5462U + 1) % 3;
  for (std::size_t node = 0; node < 3; ++node) {
    const std::string reply =
        say(node, fmt::format("CLUSTER SETSLOT {} NODE {}", slot, id(target)));
    CHECK(reply.starts_with("+OK"));
  }
  WriteAtLast(theirs, key, "there");
  CHECK(Eventually([&] { return heard.Key(key); }));
  CHECK(mine.Get(key).bytes == "there");
  CHECK(say(target, fmt::format("CLUSTER COUNTKEYSINSLOT {}", slot)).starts_with(":1"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace perf::backends

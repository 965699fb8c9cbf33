// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_slots.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

using Kind = RedisRoute::Kind;
using Words = std::vector<std::string>;

TEST_CASE("redis slots: the specification's examples, and hash tags") {
  CHECK(SlotOfKey("123456789") == 0x31C3 % 16'384);
  CHECK(SlotOfKey("") == 0);
  CHECK(SlotOfKey("foo") == 12'182);
  CHECK(SlotOfKey("{user1000}.following") == SlotOfKey("user1000"));
  CHECK(SlotOfKey("{user1000}.following") == SlotOfKey("{user1000}.followers"));
  CHECK(SlotOfKey("foo{}{bar}") != SlotOfKey("bar"));
  CHECK(SlotOfKey("foo{}{bar}") == SlotOfKey("foo{}{bar}"));
  CHECK(SlotOfKey("foo{{bar}}zap") == SlotOfKey("{bar"));
  CHECK(SlotOfKey("foo{bar}{zap}") == SlotOfKey("bar"));
  CHECK(SlotOfKey("foo{bar") != SlotOfKey("bar"));
}

void Leads(const Words& words, const char* key) {
  CAPTURE(words[0]);
  const RedisRoute route = RouteOf(words);
  CHECK(route.kind == Kind::kSlot);
  CHECK(route.slot == SlotOfKey(key));
}

TEST_CASE("redis slots: where the first key of a command stands") {
  Leads({"GET", "k"}, "k");
  Leads({"set", "k", "v"}, "k");
  Leads({"MGET", "k", "l"}, "k");
  Leads({"module.command", "k"}, "k");
  Leads({"a-command-with-a-very-long-name", "k"}, "k");
  Leads({"EVAL", "return 1", "2", "k", "l", "x"}, "k");
  Leads({"fcall_ro", "f", "1", "k"}, "k");
  Leads({"BITOP", "AND", "k", "a"}, "k");
  Leads({"XREAD", "COUNT", "2", "STREAMS", "k", "l", "0", "0"}, "k");
  Leads({"XREADGROUP", "GROUP", "g", "c", "streams", "k", ">"}, "k");
  Leads({"ZUNION", "2", "k", "l"}, "k");
  Leads({"ZUNIONSTORE", "k", "2", "a", "b"}, "k");
  Leads({"BLMPOP", "0", "1", "k", "LEFT"}, "k");
  Leads({"OBJECT", "ENCODING", "k"}, "k");
  Leads({"XINFO", "STREAM", "k"}, "k");
  Leads({"MIGRATE", "h", "1", "k", "0", "5"}, "k");
  Leads({"SPUBLISH", "k", "x"}, "k");
  for (const Words& words : {Words{"PING"},
                             {"INFO", "server"},
                             {"EVAL", "return 1", "0"},
                             {"EVAL", "return 1"},
                             {"PUBLISH", "c", "m"},
                             {"XREAD", "COUNT", "1"},
                             {"GET"},
                             {"TIME"}}) {
    CAPTURE(words[0]);
    CHECK(RouteOf(words).kind == Kind::kAny);
  }
  CHECK(RouteOf({"FLUSHALL"}).kind == Kind::kAll);
  CHECK(RouteOf({"Script", "LOAD", "return 1"}).kind == Kind::kAll);
  CHECK(RouteOf({"MULTI"}).kind == Kind::kRefused);
  CHECK(RouteOf({"watch", "k"}).kind == Kind::kRefused);
}

TEST_CASE("redis slots: redirects") {
  auto redirect = ParseRedirect("MOVED 3999 127.0.0.1:6381");
  REQUIRE(redirect);
  CHECK_FALSE(redirect->ask);
  CHECK(redirect->slot == 3999);
  CHECK(redirect->to.host == "127.0.0.1");
  CHECK(redirect->to.port == 6381);
  redirect = ParseRedirect("ASK 1 ::1:6381");
  REQUIRE(redirect);
  CHECK(redirect->ask);
  CHECK(redirect->to.host == "::1");
  redirect = ParseRedirect("MOVED 16383 :6381");
  REQUIRE(redirect);
  CHECK(redirect->to.host == "");
  for (const char* bad : {"", "MOVED", "MOVED 1", "MOVED 16384 h:1", "MOVED -1 h:1", "MOVED 1 h",
                          "MOVED 1 h:0", "MOVED 1 h:65536", "ERR MOVED 1 h:1"}) {
    CAPTURE(bad);
    CHECK_FALSE(ParseRedirect(bad));
  }
}

TEST_CASE("redis slots: the reply to CLUSTER SLOTS") {
  auto map = RedisSlotMap::Parse(
      Json::Parse(R"([[0, 5460, ["10.0.0.1", 7000, "id", []], ["10.0.0.9", 7009, "id"]],
                      [5461, 5461, ["", 7001, "id"]], [10000, 16383, ["10.0.0.1", 7000, "id"]]])"),
      "asked");
  REQUIRE(map);
  REQUIRE(map->masters.size() == 2);
  CHECK(map->masters[0].host == "10.0.0.1");
  CHECK(map->masters[1].host == "asked");
  CHECK(map->owner[0] == 0);
  CHECK(map->owner[5460] == 0);
  CHECK(map->owner[5461] == 1);
  CHECK(map->owner[5462] == RedisSlotMap::kNobody);
  CHECK(map->owner[16'383] == 0);
  for (const char* bad : {"[]", "null", "\"x\"", "[[0, 1]]", "[[0, 16384, [\"h\", 1]]]",
                          "[[2, 1, [\"h\", 1]]]", "[[0, 1, [\"h\", 0]]]", "[[0, 1, [\"h\"]]]",
                          "[[-1, 1, [\"h\", 1]]]", "[[\"0\", 1, [\"h\", 1]]]"}) {
    CAPTURE(bad);
    CHECK_FALSE(RedisSlotMap::Parse(Json::Parse(bad), "h"));
  }
}

TEST_CASE("redis URLs: one server, several, Sentinels, a cluster") {
  auto config = ParseRedisUrl("redis://u:p%40@localhost:7/3");
  CHECK(config.layout == RedisLayout::kSingle);
  CHECK(config.url.password == "p@");
  CHECK(ParseRedisUrl("unix:///run/redis.sock?db=1").layout == RedisLayout::kSingle);

  config = ParseRedisUrl("rediss://u:p@one,two:7,[::1]/2?role=replica");
  CHECK(config.layout == RedisLayout::kHosts);
  CHECK(config.role == RedisRole::kReplica);
  CHECK(config.url.scheme == "rediss");
  CHECK(config.url.user == "u");
  CHECK(config.url.path == "/2");
  REQUIRE(config.hosts.size() == 3);
  CHECK(config.hosts[0].port == 6379);
  CHECK(config.hosts[1].host == "two");
  CHECK(config.hosts[1].port == 7);
  CHECK(config.hosts[2].host == "::1");
  CHECK(ParseRedisUrl("redis://one?role=any").layout == RedisLayout::kHosts);

  config = ParseRedisUrl("Redis+Sentinel://:p@one,two:7/main?db=4&sentinel_password=");
  CHECK(config.layout == RedisLayout::kSentinel);
  CHECK(config.role == RedisRole::kPrimary);
  CHECK(config.master_name == "main");
  CHECK(config.url.scheme == "redis");
  CHECK(config.url.path == "/4");
  CHECK(config.hosts[0].port == 26'379);
  REQUIRE(config.sentinel_password);
  CHECK(*config.sentinel_password == "");

  config = ParseRedisUrl("redis+cluster://one:1,two:2");
  CHECK(config.layout == RedisLayout::kCluster);
  CHECK(config.hosts.size() == 2);
}

TEST_CASE("redis URLs: what is wrong is said, without the password") {
  for (const char* bad :
       {"redis+sentinel://:secret@one", "redis+sentinel://:secret@one/", "redis+sentinel://one/a/b",
        "redis+cluster://:secret@one/2", "redis+cluster://one?role=primary", "redis+what://one",
        "redis://one,two?role=leader", "redis://one,two?colour=red", "redis://one,,two",
        "redis://:secret@one,two:0", "redis://:a@b:secret@one,two", "http://one", "redis://",
        "redis+sentinel://one/m?sentinel_user=u", "redis+sentinel:one/m"}) {
    CAPTURE(bad);
    try {
      ParseRedisUrl(bad);
      FAIL("taken for good");
    } catch (const ConfigError& error) {
      CHECK(std::string(error.what()).find("secret") == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/redis_slots.hpp"
#include "libperf/base/text.hpp"
#include "pooled_redis.hpp"

namespace perf::backends {
namespace {

using namespace test;

TEST_SUITE_BEGIN("topologies");

Task<Json> Value(PooledRedis& bench, std::vector<std::string> words) {
  const RedisCommand command = Command(std::move(words));
  RedisReply reply;
  co_await bench.Ask(command, reply);
  CAPTURE(command.words[0]);
  CHECK(reply.failure.text == "");
  co_return std::move(reply.value);
}

Task<std::string> Complaint(PooledRedis& bench, std::vector<std::string> words) {
  const RedisCommand command = Command(std::move(words));
  RedisReply reply;
  co_await bench.Ask(command, reply);
  CHECK(reply.failure.kind == ErrorKind::kStatus);
  co_return reply.failure.text;
}

Task<void> Commands(PooledRedis& bench) {
  for (int i = 0; i < 100; ++i) {
    std::vector<std::string> words{"SET", fmt::format("k{}", i), std::to_string(i)};
    CHECK(co_await Value(bench, std::move(words)) == Json("OK"));
  }
  for (int i = 0; i < 100; ++i) {
    std::vector<std::string> words{"GET", fmt::format("k{}", i)};
    CHECK(co_await Value(bench, std::move(words)) == Json(std::to_string(i)));
  }
  std::vector<std::string> words{"MGET", "{t}1", "{t}2"};
  CHECK(co_await Value(bench, words) == Json::Parse("[null, null]"));
  words = {"MGET", "k1", "k2"};
  CHECK((co_await Complaint(bench, words)).starts_with("CROSSSLOT"));
  words = {"EVAL", "return redis.call('GET', KEYS[1])", "1", "k7"};
  CHECK(co_await Value(bench, words) == Json("7"));
  words = {"PING"};
  CHECK(co_await Value(bench, words) == Json("PONG"));
  words = {"MULTI"};
  CHECK((co_await Complaint(bench, words)) == "MULTI is not supported with a cluster");
  words = {"INCR", "n"};
  RedisCommand many = Command(words, 50);
  RedisReply reply;
  co_await bench.Ask(many, reply);
  CHECK_FALSE(reply.failure);
  CHECK(reply.value == Json(50));
  words = {"FLUSHALL"};
  CHECK(co_await Value(bench, words) == Json("OK"));
  for (int i = 0; i < 100; ++i) {
    words = {"EXISTS", fmt::format("k{}", i)};
    CHECK(co_await Value(bench, words) == Json(0));
  }
}

TEST_CASE("redis cluster: each command finds its node") {
  auto servers = test::StartRedis(Topology::kCluster);
  if (!servers) return;
  PooledRedis bench(servers->Url("kv"), 4);
  RunOn(bench.loop, Commands(bench));
  CHECK(bench.pool->Core().Totals().dialled <= 4);
}

constexpr auto kPatience = std::chrono::seconds(20);

/// Moves slots with their keys from one node to another, as redis-cli --cluster reshard does.
class Mover {
 public:
  Mover(const PrivateServers& servers, std::size_t from, std::size_t to, std::size_t slots)
      : from_(test::DoorOf(servers, from)),
        to_(test::DoorOf(servers, to)),
        third_(test::DoorOf(servers, 3 - from - to)),
        from_id_(Id(from_)),
        to_id_(Id(to_)),
        slots_(slots),
        thread_([this] { Run(); }) {}
  ~Mover() { thread_.join(); }
  bool Done() const noexcept { return done_; }
  std::size_t Moved() const noexcept { return moved_; }
  const std::string& Error() const noexcept { return error_; }  // once it is done

 private:
  static std::string Id(const RedisDoor& door) {
    const std::string reply = AskRedis(door, "CLUSTER MYID", kPatience);
    return std::string(Trim(reply.substr(std::min(reply.find("\r\n"), reply.size()))));
  }
  bool Must(const RedisDoor& door, const std::string& command) {
    const std::string reply = AskRedis(door, command, kPatience);
    if (reply.starts_with("+")) return true;
    error_ = command.substr(0, 60) + ": " + reply;
    return false;
  }
  bool MoveKeys(std::size_t slot) {
    for (;;) {
      const std::string keys =
          AskRedis(from_, fmt::format("CLUSTER GETKEYSINSLOT {} 10", slot), kPatience);
      std::string names;
      for (const std::string_view line : Split(keys, '\n')) {
        const std::string_view text = Trim(line);
        if (!text.empty() && text[0] != '*' && text[0] != '$') names += " " + std::string(text);
      }
      if (names.empty()) return true;
      if (!Must(from_, fmt::format("MIGRATE 127.0.0.1 {} \"\" 0 5000 AUTH {} KEYS{}", to_.port,
                                   to_.password, names))) {
        return false;
      }
    }
  }
  bool Move(std::size_t slot) {
    return Must(to_, fmt::format("CLUSTER SETSLOT {} IMPORTING {}", slot, from_id_)) &&
           Must(from_, fmt::format("CLUSTER SETSLOT {} MIGRATING {}", slot, to_id_)) &&
           MoveKeys(slot) && Must(to_, fmt::format("CLUSTER SETSLOT {} NODE {}", slot, to_id_)) &&
           Must(from_, fmt::format("CLUSTER SETSLOT {} NODE {}", slot, to_id_)) &&
           Must(third_, fmt::format("CLUSTER SETSLOT {} NODE {}", slot, to_id_));
  }
  void Run() {
    for (std::size_t slot = 0; slot < slots_ && Move(slot); ++slot) ++moved_;
    done_ = true;
  }

  const RedisDoor from_;
  const RedisDoor to_;
  const RedisDoor third_;
  const std::string from_id_;
  const std::string to_id_;
  const std::size_t slots_;
  std::atomic<std::size_t> moved_{0};
  std::atomic<bool> done_{false};
  std::string error_;
  std::thread thread_;
};

/// Keys of the slots that will move, two of each, and some of others.
std::vector<std::string> KeysOf(std::size_t slots) {
  std::vector<std::string> keys;
  std::vector<int> left(slots, 2);
  std::size_t missing = 2 * slots;
  for (int i = 0; missing > 0; ++i) {
    std::string key = fmt::format("key:{}", i);
    const std::uint16_t slot = SlotOfKey(key);
    if (slot >= slots) {
      if (i % 50 == 0) keys.push_back(std::move(key));
    } else if (left[slot] > 0) {
      --left[slot];
      --missing;
      keys.push_back(std::move(key));
    }
  }
  return keys;
}

/// Counts up its own keys, one after the other, and notes what was acknowledged.
Task<void> Count(PooledRedis& bench, Tally& tally, const std::vector<std::string>& keys,
                 std::vector<std::uint64_t>& acknowledged, std::size_t begin, unsigned pipeline) {
  ++tally.users;
  for (std::size_t i = begin; !tally.stop; ++i) {
    const std::size_t key = i % keys.size();
    std::vector<std::string> words{"INCR", keys[key]};
    const RedisCommand command = Command(std::move(words), pipeline);
    RedisReply reply;
    co_await bench.Ask(command, reply);
    if (reply.failure) {
      tally.Failed(reply.failure);
    } else {
      tally.written += pipeline;
      acknowledged[key] += pipeline;
    }
  }
  --tally.users;
}

/// A key and its neighbour of the same slot in one command, which is only whole on one node.
Task<void> ReadPairs(PooledRedis& bench, Tally& tally, std::size_t slots) {
  ++tally.users;
  std::vector<std::vector<std::string>> pairs(slots);
  for (int i = 0, missing = static_cast<int>(slots); missing > 0; ++i) {
    std::string key = fmt::format("pair:{}", i);
    const std::uint16_t slot = SlotOfKey(key);
    if (slot >= slots || !pairs[slot].empty()) continue;
    --missing;
    pairs[slot] = {"MSET", key, "1", fmt::format("{{{}}}", key), "1"};
  }
  for (std::size_t i = 0; !tally.stop; ++i) {
    const RedisCommand command = Command(pairs[i % slots]);
    RedisReply reply;
    co_await bench.Ask(command, reply);
    if (reply.failure) tally.Failed(reply.failure);
    ++tally.written;
  }
  --tally.users;
}

Task<void> MoveUnderLoad(PooledRedis& bench, PrivateServers& servers, std::size_t slots) {
  const std::vector<std::string> keys = KeysOf(slots);
  std::vector<std::uint64_t> acknowledged(keys.size());
  Tally tally;
  for (std::size_t user = 0; user < 6; ++user) {
    bench.loop.Spawn(
        Count(bench, tally, keys, acknowledged, user * keys.size() / 6, user == 0 ? 5 : 1));
  }
  bench.loop.Spawn(ReadPairs(bench, tally, slots));
  CHECK(co_await bench.Await([&] { return tally.written > keys.size(); }));
  CHECK_MESSAGE(tally.failed == 0, tally.Texts());
  const std::uint64_t before = tally.written;
  const TimePoint start = Clock::now();
  Mover mover(servers, 0, 1, slots);
  const Deadline deadline = Deadline::After(start, std::chrono::minutes(3));
  while (!mover.Done() && !deadline.Passed(Clock::now())) {
    co_await bench.loop.SleepUntil(Clock::now() + std::chrono::milliseconds(5));
  }
  const Duration took = Clock::now() - start;
  const std::uint64_t during = tally.written - before;
  CHECK(co_await bench.Await([&] { return tally.written > before + during + keys.size(); }));
  tally.stop = true;
  CHECK(co_await bench.Await([&] { return tally.users == 0; }));
  CHECK(mover.Error() == "");
  CHECK(mover.Moved() == slots);
  CHECK_MESSAGE(tally.failed == 0, tally.Texts());
  // What was acknowledged was carried out once, wherever the key was at that moment.
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::vector<std::string> words{"GET", keys[i]};
    const Json value = co_await Value(bench, std::move(words));
    if (!value.IsString() || value.AsString() != std::to_string(acknowledged[i])) ++wrong;
  }
  CHECK(wrong == 0);
  MESSAGE(slots << " slots moved in " << ToMs(took) << " ms under " << during << " commands, "
                << tally.failed << " errors");
}

void MoveSlots(std::size_t slots) {
  auto servers = test::StartRedis(Topology::kCluster);
  if (!servers) return;
  PooledRedis bench(servers->Url("kv"), 8);
  RunOn(bench.loop, MoveUnderLoad(bench, *servers, slots));
}

TEST_CASE("redis cluster: slots move under load without an error") { MoveSlots(150); }

TEST_CASE("redis cluster: 1,000 slots move under load without an error" * doctest::skip()) {
  MoveSlots(1'000);
}

Task<void> LoseNode(PooledRedis& bench, PrivateServers& servers) {
  // By the specification's example in the last third: of node 2.
  std::vector<std::string> words{"SET", "123456789", "x"};
  CHECK(co_await Value(bench, words) == Json("OK"));
  servers.Act("kv", ServerAction::kKill, 2, Soon());
  const RedisCommand get = Command({"GET", "123456789"});
  RedisReply reply;
  // The first may find the connection's end, later ones find nobody.
  co_await bench.Ask(get, reply);
  co_await bench.Ask(get, reply);
  CHECK(reply.failure);
  CAPTURE(reply.failure.text);
  CHECK((reply.failure.kind == ErrorKind::kConnect || reply.failure.kind == ErrorKind::kStatus ||
         reply.failure.kind == ErrorKind::kTimeout));
  servers.Act("kv", ServerAction::kRestart, 2, Soon());
  CHECK(co_await Value(bench, get.words) == Json("x"));
}

TEST_CASE("redis cluster: a node that is gone is said to be, and found when it is back") {
  auto servers = test::StartRedis(Topology::kCluster);
  if (!servers) return;
  PooledRedis bench(servers->Url("kv"), 2);
  RunOn(bench.loop, LoseNode(bench, *servers));
}

TEST_CASE("redis cluster: what is none is said to be none") {
  auto servers = test::StartRedis(Topology::kPrimaryReplica);
  if (!servers) return;
  const RedisDoor door = test::DoorOf(*servers, 0);
  EventLoop loop;
  const auto url = [&](int port) {
    return fmt::format("redis+cluster://:{}@127.0.0.1:{}", door.password, port);
  };
  RunOn(loop, DialSays(loop, url(door.port), "cluster support disabled"));
  RunOn(loop, DialSays(loop, url(test::ClosedPort()), "refused"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace perf::backends

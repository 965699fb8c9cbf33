// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dial_fails.hpp"
#include "libperf/backends/hiredis_asio.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "redis_bench.hpp"

namespace perf::backends {
namespace {

using test::RedisUrl;
using test::RunOn;
using test::Soon;

using Bench = test::RedisBench;
using test::Command;

/// Runs one command and gives its value.
Task<Json> Ask(RedisConnection& connection, RedisCommand command) {
  RedisReply reply;
  co_await connection.Execute(command, reply, Soon());
  CHECK(reply.failure.text == "");
  CHECK(reply.timing.sent <= reply.timing.first_byte);
  CHECK(reply.timing.first_byte <= reply.timing.done);
  co_return std::move(reply.value);
}

Task<Json> Ask(RedisConnection& connection, std::vector<std::string> words) {
  return Ask(connection, Command(std::move(words)));
}

std::vector<std::string> Words(std::initializer_list<const char*> words) {
  return {words.begin(), words.end()};
}

Task<void> Values(Bench& bench) {
  auto connection = co_await bench.Connect();
  auto words = Words({"DEL", "v", "n", "list"});
  co_await Ask(*connection, words);
  words = Words({"SET", "v", "Grüße"});
  CHECK(co_await Ask(*connection, words) == Json("OK"));
  words = Words({"GET", "v"});
  CHECK(co_await Ask(*connection, words) == Json("Grüße"));
  words = Words({"GET", "absent"});
  CHECK((co_await Ask(*connection, words)).IsNull());
  auto command = Command({"INCR", "n"}, 16);
  CHECK(co_await Ask(*connection, command) == Json(16));
  words = Words({"RPUSH", "list", "a", "b", ""});
  CHECK(co_await Ask(*connection, words) == Json(3));
  words = Words({"EVAL", "return {1, {'x', {}, {2, 'y'}}, false}", "0"});
  CHECK(co_await Ask(*connection, words) == Json::Parse(R"([1, ["x", [], [2, "y"]], null])"));
  words = Words({"LRANGE", "list", "0", "-1"});
  CHECK(co_await Ask(*connection, words) == Json::Parse(R"(["a", "b", ""])"));
  RedisReply reply;
  command = Command({"GET", "v"}, 5);
  command.keep_reply = false;
  co_await connection->Execute(command, reply, Soon());
  CHECK_FALSE(reply.failure);
  CHECK(reply.value.IsNull());
  CHECK(connection->Reusable());
  CHECK(connection->Alive());
}

TEST_CASE("redis: strings, numbers, nothing, nested arrays, pipelines") {
  if (!RedisUrl()) return;
  Bench bench(*RedisUrl());
  RunOn(bench.loop, Values(bench));
}

Task<void> ErrorReplies(Bench& bench) {
  auto connection = co_await bench.Connect();
  RedisReply reply;
  auto command = Command({"NONSENSE", "x"}, 3);
  co_await connection->Execute(command, reply, Soon());
  CHECK(reply.failure.kind == ErrorKind::kStatus);
  CHECK(reply.failure.text.starts_with("ERR unknown command"));
  CHECK(connection->Reusable());
  command = Command({"subscribe", "news"});
  co_await connection->Execute(command, reply, Soon());
  CHECK(reply.failure.kind == ErrorKind::kStatus);
  CHECK(connection->Reusable());
  const auto words = Words({"PING"});
  CHECK(co_await Ask(*connection, words) == Json("PONG"));
  command = Command({"select", "1"});
  co_await connection->Execute(command, reply, Soon());
  CHECK_FALSE(reply.failure);
  CHECK_FALSE(connection->Reusable());
}

TEST_CASE("redis: error replies leave a connection usable, changed sessions are given up") {
  if (!RedisUrl()) return;
  Bench bench(*RedisUrl());
  RunOn(bench.loop, ErrorReplies(bench));
}

Task<void> AddUser(Bench& bench) {
  auto connection = co_await bench.Connect();
  const auto words = Words({"ACL", "SETUSER", "locked", "on", ">right", "~*", "+@all"});
  co_await Ask(*connection, words);
}

Task<void> InDatabaseOne(Bench& bench) {
  auto connection = co_await bench.Connect();
  auto who = Words({"ACL", "WHOAMI"});
  CHECK(co_await Ask(*connection, who) == Json("locked"));
  auto info = Words({"CLIENT", "INFO"});
  CHECK((co_await Ask(*connection, info)).AsString().find(" db=1 ") != std::string::npos);
  CHECK(connection->Reusable());
}

TEST_CASE("redis: dialling with user, password and database") {
  if (!RedisUrl()) return;
  Bench admin(*RedisUrl());
  RunOn(admin.loop, AddUser(admin));
  Bench right(*RedisUrl() + "?user=locked&password=right&db=1");
  RunOn(right.loop, InDatabaseOne(right));
  Bench wrong(*RedisUrl() + "?user=locked&password=wrong-secret");
  RunOn(wrong.loop, test::DialFails(*wrong.connector, "AUTH: WRONGPASS"));
  Bench database(*RedisUrl() + "?db=9999");
  RunOn(database.loop,
        test::DialFails(*database.connector, "SELECT: ERR DB index is out of range"));
}

TEST_CASE("redis: why a dial failed") {
  Bench closed("redis://127.0.0.1:" + std::to_string(test::ClosedPort()));
  RunOn(closed.loop, test::DialFails(*closed.connector, "refused"));
  Bench absent("unix:///nowhere/at/all.sock");
  RunOn(absent.loop, test::DialFails(*absent.connector, "No such file"));
  CHECK_THROWS_AS(Bench("redis://localhost/zero"), ConfigError);
  if (!HiredisStream::HasTls()) {
    CHECK_THROWS_WITH_AS(Bench("rediss://localhost"), "TLS to Redis needs hiredis >= 1.0",
                         ConfigError);
  }
}

Task<void> TimesOut(Bench& bench) {
  auto connection = co_await bench.Connect();
  const auto command = Command({"BLPOP", "absent", "0"});
  RedisReply reply;
  const Deadline deadline = Deadline::After(Clock::now(), std::chrono::milliseconds(50));
  co_await connection->Execute(command, reply, deadline);
  CHECK(reply.failure.kind == ErrorKind::kTimeout);
  CHECK(reply.timing.done >= deadline.At());
  CHECK_FALSE(connection->Reusable());
  CHECK_FALSE(connection->Alive());
  co_await connection->Execute(command, reply, deadline);
  CHECK(reply.failure.kind == ErrorKind::kProtocol);
}

TEST_CASE("redis: a time-out gives the connection up") {
  if (!RedisUrl()) return;
  Bench bench(*RedisUrl());
  RunOn(bench.loop, TimesOut(bench));
}

Task<void> Block(RedisConnection& connection, RedisReply& reply, bool& done) {
  const auto command = Command({"BLPOP", "absent", "0"});
  co_await connection.Execute(command, reply, Soon());
  done = true;
}

Task<void> Killed(Bench& bench, bool idle) {
  auto connection = co_await bench.Connect();
  auto killer = co_await bench.Connect();
  auto words = Words({"CLIENT", "ID"});
  const Json id = co_await Ask(*connection, words);
  CHECK(connection->Alive());
  RedisReply reply;
  bool done = false;
  if (!idle) bench.loop.Spawn(Block(*connection, reply, done));
  words = Words({"CLIENT", "KILL", "ID"});
  words.push_back(id.ToText());
  CHECK(co_await Ask(*killer, words) == Json(1));
  const Deadline patience = Soon();
  const auto ping = Words({"PING"});
  while (!(idle ? !connection->Alive() : done) && !patience.Passed(Clock::now())) {
    co_await Ask(*killer, ping);
  }
  CHECK_FALSE(connection->Alive());
  if (idle) co_await Block(*connection, reply, done);
  REQUIRE(done);
  CHECK(reply.failure.kind == ErrorKind::kProtocol);
  CHECK_FALSE(connection->Reusable());
}

TEST_CASE("redis: a connection that the server killed") {
  if (!RedisUrl()) return;
  for (const bool idle : {false, true}) {
    CAPTURE(idle);
    Bench bench(*RedisUrl());
    RunOn(bench.loop, Killed(bench, idle));
  }
}

Task<void> BigValues(Bench& bench) {
  auto connection = co_await bench.Connect();
  std::string big(8 << 20, 'x');
  Random random(7);
  for (std::size_t i = 0; i < big.size(); i += 997) {
    big[i] = static_cast<char>(random.Int(0, 255));
  }
  auto words = Words({"SET", "big"});
  words.push_back(big);
  co_await Ask(*connection, words);
  words = Words({"GET", "big"});
  const Json got = co_await Ask(*connection, words);
  CHECK((got.AsString() == big));
  // Both sides must write and read at once: neither buffer holds 32 MiB.
  auto command = Command({"ECHO", big}, 4);
  const Json echoed = co_await Ask(*connection, command);
  CHECK((echoed.AsString() == big));
  CHECK(connection->Reusable());
  words = Words({"DEL", "big"});
  co_await Ask(*connection, words);
}

TEST_CASE("redis: values of 8 MiB, also pipelined") {
  if (!RedisUrl()) return;
  Bench bench(*RedisUrl());
  RunOn(bench.loop, BigValues(bench));
}

struct Tally {
  int right = 0;
  int wrong = 0;
  int live = 0;
};

Task<void> Echo(Bench& bench, int user, int rounds, Tally& tally) {
  auto connection = co_await bench.Connect();
  Random random = Random(5).Fork(static_cast<std::uint64_t>(user));
  RedisReply reply;
  for (int round = 0; round < rounds; ++round) {
    std::string key = std::to_string(random.Next());
    if (random.Int(0, 9) == 0) key.append(static_cast<std::size_t>(random.Int(0, 40000)), 'z');
    auto command = Command({"ECHO", key}, static_cast<unsigned>(random.Int(1, 20)));
    co_await connection->Execute(command, reply, Soon());
    const bool right = !reply.failure && reply.value == Json(key);
    ++(right ? tally.right : tally.wrong);
  }
  if (--tally.live == 0) bench.loop.Stop();
}

TEST_CASE("redis: each of 10,000 replies belongs to its command") {
  if (!RedisUrl()) return;
  Bench bench(*RedisUrl());
  Tally tally;
  tally.live = 16;
  for (int user = 0; user < 16; ++user) bench.loop.Spawn(Echo(bench, user, 625, tally));
  bench.loop.Run();
  CHECK(tally.right == 10000);
  CHECK(tally.wrong == 0);
}

Task<void> BlockForEver(Bench& bench, int& ready, std::vector<ErrorKind>& ends) {
  auto connection = co_await bench.Connect();
  const auto command = Command({"BLPOP", "absent", "0"});
  RedisReply reply;
  if (++ready == 4) bench.loop.Post([&bench] { bench.loop.CancelAll(); });
  co_await connection->Execute(command, reply, Deadline::Never());
  ends.push_back(reply.failure.kind);
  if (ends.size() == 4) bench.loop.Stop();
}

TEST_CASE("redis: CancelAll unwinds commands without a deadline") {
  if (!RedisUrl()) return;
  Bench bench(*RedisUrl());
  int ready = 0;
  std::vector<ErrorKind> ends;
  for (int i = 0; i < 4; ++i) bench.loop.Spawn(BlockForEver(bench, ready, ends));
  bench.loop.Run();
  CHECK(ends == std::vector<ErrorKind>(4, ErrorKind::kTimeout));
}

}  // namespace
}  // namespace perf::backends

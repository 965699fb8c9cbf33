// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_sentinel.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "pooled_redis.hpp"

namespace perf::backends {
namespace {

using namespace test;

constexpr std::size_t kUsers = 8;

TEST_SUITE_BEGIN("topologies");

/// The port of the server that a borrowed connection leads to.
Task<std::int64_t> PortOf(PooledRedis& bench) {
  const RedisCommand command = Command({"CONFIG", "GET", "port"});
  RedisReply reply;
  co_await bench.Ask(command, reply);
  CHECK(reply.failure.text == "");
  if (reply.failure) co_return 0;
  co_return std::stoll(reply.value.AsArray().at(1).AsString());
}

/// Until the pool leads there; a refusal on the way is none of its end.
Task<void> ComesTo(PooledRedis& bench, std::int64_t port) {
  const RedisCommand command = Command({"CONFIG", "GET", "port"});
  RedisReply reply;
  const Deadline deadline = Soon();
  bool there = false;
  while (!there && !deadline.Passed(Clock::now())) {
    co_await bench.Ask(command, reply);
    there = !reply.failure && std::stoll(reply.value.AsArray().at(1).AsString()) == port;
    co_await bench.loop.SleepUntil(Clock::now() + std::chrono::milliseconds(2));
  }
  CHECK(there);
}

/// An action on the servers, which blocks, beside the loop.
class Beside {
 public:
  Beside(PrivateServers& servers, ServerAction action)
      : thread_([this, &servers, action] {
          try {
            servers.Act("kv", action, std::nullopt, Soon());
          } catch (const Error& error) {
            error_ = error.what();
          }
          done_ = true;
        }) {}
  bool Done() const noexcept { return done_; }
  const std::string& Wait() {
    if (thread_.joinable()) thread_.join();
    return error_;
  }
  ~Beside() { Wait(); }

 private:
  std::atomic<bool> done_{false};
  std::string error_;
  std::thread thread_;
};

/// Users write while `action` takes the primary away from them.
Task<void> Lose(PooledRedis& bench, PrivateServers& servers, ServerAction action) {
  const std::int64_t before = co_await PortOf(bench);
  CHECK(before == test::DoorOf(servers, 0).port);
  Tally tally;
  for (std::size_t i = 0; i < kUsers; ++i) {
    bench.loop.Spawn(test::WriteOn(bench, tally, fmt::format("n{}", i)));
  }
  CHECK(co_await bench.Await([&] { return tally.written > 500; }));
  CHECK(tally.failed == 0);
  Beside act(servers, action);
  CHECK(co_await bench.Await([&] { return act.Done(); }));
  CHECK(act.Wait() == "");
  // The one that took over, by its own word.
  std::int64_t wanted = 0;
  const auto one_leads = [&] {
    for (const std::size_t node : {1, 2}) {
      const RedisDoor door = test::DoorOf(servers, node);
      if (AskRedis(door, "INFO replication").find("role:master") == std::string::npos) continue;
      wanted = door.port;
      return true;
    }
    return false;
  };
  CHECK(co_await bench.Await(one_leads));
  const TimePoint taken_over = Clock::now();
  co_await ComesTo(bench, wanted);
  const Duration resumed = Clock::now() - taken_over;
  const std::uint64_t mark = tally.written;
  CHECK(co_await bench.Await([&] { return tally.written > mark + 500; }));
  tally.stop = true;
  CHECK(co_await bench.Await([&] { return tally.users == 0; }));
  const std::int64_t after = co_await PortOf(bench);
  CHECK(after == wanted);
  // One for each connection that was borrowed when it happened.
  CHECK_MESSAGE(tally.failed <= kUsers, tally.Texts());
  MESSAGE(tally.failed << " failed, " << tally.refused << " refused, " << tally.written
                       << " written; the pool came to the new primary " << ToMs(resumed)
                       << " ms after that one said so; last failure "
                       << ToMs(tally.last_failure - taken_over) << " ms after it\n"
                       << tally.Texts());
}

TEST_CASE("redis sentinel: the primary is killed under load, and the pool goes on with the next") {
  auto servers = test::StartRedis(Topology::kSentinel);
  if (!servers) return;
  PooledRedis bench(servers->Url("kv"), kUsers);
  RunOn(bench.loop, Lose(bench, *servers, ServerAction::kKill));
}

Task<void> LoseMute(PooledRedis& bench, PrivateServers& servers) {
  co_await Lose(bench, servers, ServerAction::kStop);
  Beside act(servers, ServerAction::kContinue);
  CHECK(co_await bench.Await([&] { return act.Done(); }));
  CHECK(act.Wait() == "");
}

TEST_CASE("redis sentinel: commands on a primary that went mute end when another one took over") {
  auto servers = test::StartRedis(Topology::kSentinel);
  if (!servers) return;
  PooledRedis bench(servers->Url("kv"), kUsers);
  RunOn(bench.loop, LoseMute(bench, *servers));
}

TEST_CASE("redis sentinel: a failover on request takes the idle connections along") {
  auto servers = test::StartRedis(Topology::kSentinel);
  if (!servers) return;
  PooledRedis bench(servers->Url("kv"), kUsers);
  RunOn(bench.loop, Lose(bench, *servers, ServerAction::kPromote));
  CHECK(bench.pool->Core().Totals().invalidated + bench.pool->Core().Totals().discarded > 0);
}

Task<void> Roles(PooledRedis& bench, std::vector<std::int64_t> ports) {
  const std::int64_t port = co_await PortOf(bench);
  CHECK(std::find(ports.begin(), ports.end(), port) != ports.end());
  const RedisCommand write = Command({"SET", "k", "v"});
  RedisReply reply;
  co_await bench.Ask(write, reply);
  CHECK(reply.failure.kind == ErrorKind::kStatus);
  CHECK(reply.failure.text.starts_with("READONLY"));
  // Which is no reason to leave a replica.
  CHECK(bench.pool->Core().Now().idle == 1);
  CHECK(bench.pool->Core().Totals().discarded == 0);
}

TEST_CASE("redis sentinel: replicas on request; a Sentinel that is gone is passed over") {
  auto servers = test::StartRedis(Topology::kSentinel);
  if (!servers) return;
  const auto port = [&](std::size_t node) -> std::int64_t {
    return test::DoorOf(*servers, node).port;
  };
  {
    PooledRedis bench(servers->Url("kv") + "?role=replica", 2);
    RunOn(bench.loop, Roles(bench, {port(1), port(2)}));
  }
  const std::string password = test::DoorOf(*servers, 0).password;
  EventLoop loop;
  const int closed = test::ClosedPort();
  RunOn(loop, DialSays(loop,
                       fmt::format("redis+sentinel://:{}@127.0.0.1:{},127.0.0.1:{}/nobody",
                                   password, closed, port(3)),
                       "it watches no master named 'nobody'"));
  RunOn(loop,
        DialSays(loop, fmt::format("redis+sentinel://:wrong-secret@127.0.0.1:{}/perfkit", port(3)),
                 "WRONGPASS"));
  RunOn(loop,
        DialSays(loop, fmt::format("redis+sentinel://127.0.0.1:{}/perfkit", port(3)), "NOAUTH"));
  RunOn(loop, DialSays(loop, fmt::format("redis://127.0.0.1:{}", port(0)), "NOAUTH"));
  RunOn(loop, DialSays(loop, fmt::format("redis+sentinel://127.0.0.1:{}/perfkit", closed),
                       "no Sentinel names the primary of 'perfkit'"));
  PooledRedis bench(fmt::format("redis+sentinel://:{}@127.0.0.1:{},127.0.0.1:{}/perfkit", password,
                                closed, port(4)),
                    2);
  const auto leads_home = [](PooledRedis& on, std::int64_t wanted) -> Task<void> {
    const std::int64_t found = co_await PortOf(on);
    CHECK(found == wanted);
  };
  RunOn(bench.loop, leads_home(bench, port(0)));
}

Task<void> Demote(PooledRedis& bench) {
  std::array<ConnectionPool::Acquired, 3> borrowed;
  for (auto& acquired : borrowed) {
    acquired = co_await bench.pool->Borrow(Clock::now());
    REQUIRE_FALSE(acquired.failure);
  }
  for (auto& acquired : borrowed) acquired.loan.Return();
  CHECK(bench.pool->Core().Now().idle == 3);
  RedisReply reply;
  const RedisCommand demote =
      Command({"REPLICAOF", "127.0.0.1", std::to_string(test::ClosedPort())});
  const RedisCommand write = Command({"SET", "k", "v"});
  const RedisCommand promote = Command({"REPLICAOF", "NO", "ONE"});
  co_await bench.Ask(demote, reply);
  CHECK(reply.failure.text == "");
  co_await bench.Ask(write, reply);
  CHECK(reply.failure.text.starts_with("READONLY"));
  CHECK(co_await bench.Await([&] { return bench.pool->Core().Now().idle == 0; }));
  CHECK(bench.pool->Core().Totals().discarded == 1);
  CHECK(bench.pool->Core().Totals().invalidated == 2);
  co_await bench.Ask(promote, reply);
  CHECK(reply.failure.text == "");
  co_await bench.Ask(write, reply);
  CHECK(reply.failure.text == "");
}

TEST_CASE("redis: a server that was demoted loses all of the pool's connections") {
  auto servers = test::StartRedis(Topology::kSingle);
  if (!servers) return;
  PooledRedis bench(servers->Url("kv"), 3);
  RunOn(bench.loop, Demote(bench));
}

Task<void> FollowRole(PooledRedis& bench, PrivateServers& servers) {
  Tally tally;
  for (std::size_t i = 0; i < 2; ++i) {
    bench.loop.Spawn(test::WriteOn(bench, tally, fmt::format("n{}", i)));
  }
  CHECK(co_await bench.Await([&] { return tally.written > 200; }));
  for (const ServerAction action : {ServerAction::kKill, ServerAction::kPromote}) {
    Beside act(servers, action);
    CHECK(co_await bench.Await([&] { return act.Done(); }));
    CHECK(act.Wait() == "");
  }
  const std::uint64_t mark = tally.written;
  CHECK(co_await bench.Await([&] { return tally.written > mark + 200; }));
  {
    Beside act(servers, ServerAction::kRestart);  // as its replica
    CHECK(co_await bench.Await([&] { return act.Done(); }));
    CHECK(act.Wait() == "");
  }
  tally.stop = true;
  CHECK(co_await bench.Await([&] { return tally.users == 0; }));
  CHECK(tally.failed <= 2);
  const std::int64_t port = co_await PortOf(bench);
  CHECK(port == test::DoorOf(servers, 1).port);
}

TEST_CASE("redis with several hosts: the one that is the primary is meant, whichever it is") {
  auto servers = test::StartRedis(Topology::kPrimaryReplica);
  if (!servers) return;
  {
    PooledRedis bench(servers->Url("kv"), 2);
    RunOn(bench.loop, FollowRole(bench, *servers));
  }
  {
    PooledRedis bench(servers->Url("kv") + "?role=replica", 2);
    RunOn(bench.loop, Roles(bench, {test::DoorOf(*servers, 0).port}));
  }
  EventLoop loop;
  RunOn(loop, DialSays(loop, servers->NodeUrl("kv", 0) + "?role=primary", "is not a primary now"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/private_topology.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/process_kin.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/url.hpp"
#include "tests/backends/private_victim.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;
using Kind = PrivateSpec::Kind;

TEST_SUITE_BEGIN("topologies");

const PrivateSpec kDb{"db", Kind::kPostgres, {}, Topology::kSingle};
const PrivateSpec kPair{"db", Kind::kPostgres, {}, Topology::kPrimaryReplica};
const PrivateSpec kKvPair{"kv", Kind::kRedis, {}, Topology::kPrimaryReplica};
const PrivateSpec kWatched{"kv", Kind::kRedis, {}, Topology::kSentinel};
const PrivateSpec kCluster{"kv", Kind::kRedis, {}, Topology::kCluster};

/// Longer than Sentinels do nothing after their machine stood still for 2 s, which is 30 s.
bool Await(const std::function<bool()>& condition) {
  const Deadline deadline = Deadline::After(Clock::now(), 120s);
  while (!condition()) {
    if (deadline.Passed(Clock::now())) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

bool Gone(pid_t pid) {
  return ::waitpid(pid, nullptr, WNOHANG) == pid || (::kill(pid, 0) != 0 && errno == ESRCH);
}

/// Nothing where the machine lacks what the target needs.
std::optional<PrivateServers> Start(const PrivateSpec& spec) {
  const TimePoint start = Clock::now();
  try {
    auto servers = PrivateServers::Start(std::array{spec}, Soon());
    MESSAGE("ready after " << ToMs(Clock::now() - start) << " ms: " << servers.Nodes(spec.name)
                           << " node(s)");
    return servers;
  } catch (const UnreachableError& error) {
    if (std::string_view(error.what()).find("not found: install") == std::string_view::npos) throw;
    MESSAGE("SKIPPED: " << std::string(error.what()));
    return std::nullopt;
  }
}

/// The first value, "" for a command, or "! " and the error.
std::string Sql(const std::string& conninfo, const std::string& sql) {
  PGconn* connection = ::PQconnectdb((conninfo + " connect_timeout=60").c_str());
  PGresult* result = ::PQexec(connection, sql.c_str());
  const auto status = ::PQresultStatus(result);
  std::string answer = status == PGRES_TUPLES_OK && ::PQntuples(result) > 0
                           ? ::PQgetvalue(result, 0, 0)
                       : status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
                           ? ""
                           : "! " + std::string(::PQerrorMessage(connection));
  ::PQclear(result);
  ::PQfinish(connection);
  return answer;
}

/// The number of the System V segment that the postmaster of a single server holds.
int Segment(const PrivateServers& servers) {
  std::ifstream file(servers.Directory() + "/pg0/data/postmaster.pid");
  std::string line;
  for (int i = 0; i < 7; ++i) std::getline(file, line);
  long key = 0;
  int segment = -1;
  return std::sscanf(line.c_str(), "%ld %d", &key, &segment) == 2 ? segment : -1;
}

RedisDoor Door(const PrivateServers& servers, std::size_t node) {
  const Url url = Url::Parse(servers.NodeUrl("kv", node));
  return {url.port, url.password};
}

std::string Ask(const PrivateServers& servers, std::size_t node, const std::string& command) {
  return AskRedis(Door(servers, node), command, 20s);
}

bool Says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

void Act(PrivateServers& servers, std::string_view name, ServerAction action,
         std::optional<std::size_t> node = {}) {
  servers.Act(name, action, node, Soon());
}

TEST_CASE("private topologies: a signal does not end the wait for Redis' reply") {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) {};
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener, 1) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const pthread_t asker = ::pthread_self();
  std::thread server([listener, asker] {
    const int fd = ::accept(listener, nullptr, nullptr);
    std::array<char, 100> buffer{};
    for (const std::string_view reply : {"+OK\r\n", "+PONG\r\n"}) {
      if (::recv(fd, buffer.data(), buffer.size(), 0) <= 0) break;
      // The asker waits by now, or will at one of these.
      for (int i = 0; i < 20; ++i) {
        ::pthread_kill(asker, SIGUSR1);
        std::this_thread::sleep_for(1ms);
      }
      ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
    }
    ::close(fd);
  });
  CHECK(AskRedis({ntohs(address.sin_port), "x"}, "PING", 20s) == "+PONG\r\n");
  server.join();
  ::close(listener);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("private PostgreSQL with a replica: it follows, is promoted, and the old one returns") {
  auto servers = Start(kPair);
  if (!servers) return;
  REQUIRE(servers->Nodes("db") == 2);
  CHECK(servers->Role("db", 0) == "primary");
  CHECK(servers->Role("db", 1) == "replica");
  const std::string first = servers->NodeUrl("db", 0);
  const std::string second = servers->NodeUrl("db", 1);
  const std::string both = ResolveTopologyUrl(*servers, "db");
  CHECK(Sql(first, "create table t as select 1 as n") == "");
  CHECK(Await([&] { return Sql(second, "select n from t") == "1"; }));
  CHECK(Sql(second, "select pg_is_in_recovery()") == "t");
  CHECK(Says(Sql(second, "insert into t values (2)"), "read-only"));
  CHECK(Sql(both, "insert into t values (2)") == "");
  // What the replica has not been sent yet dies with its primary.
  CHECK(Await([&] { return Sql(second, "select sum(n) from t") == "3"; }));

  Act(*servers, "db", ServerAction::kKill);
  CHECK(servers->Pid("db", 0) == -1);
  CHECK(Says(Sql(first, "select 1"), "!"));
  Act(*servers, "db", ServerAction::kPromote);
  CHECK(Sql(second, "select pg_is_in_recovery()") == "f");
  CHECK(Sql(both, "insert into t values (3)") == "");

  Act(*servers, "db", ServerAction::kRestart);
  CHECK(servers->Pid("db", 0) > 0);
  CHECK(Sql(first, "select pg_is_in_recovery()") == "t");
  CHECK(Sql(both, "insert into t values (4)") == "");
  CHECK(Await([&] { return Sql(first, "select sum(n) from t") == "10"; }));

  // And back again: the one that was promoted is replaced while it lives, then demoted.
  Act(*servers, "db", ServerAction::kPromote, 0);
  CHECK(Sql(first, "select pg_is_in_recovery()") == "f");
  Act(*servers, "db", ServerAction::kRestart);
  CHECK(Sql(second, "select pg_is_in_recovery()") == "t");
  CHECK(Sql(both, "insert into t values (5)") == "");
  CHECK(Await([&] { return Sql(second, "select sum(n) from t") == "15"; }));
}

TEST_CASE("private PostgreSQL: a kill ends busy backends too, and a restart recovers") {
  auto servers = Start(kDb);
  if (!servers) return;
  const std::string url = servers->Url("db");
  REQUIRE(Sql(url, "set synchronous_commit = on; create table t as select 7 as n") == "");
  // One that looks at nothing but its own loop, and would outlive its postmaster.
  PGconn* busy = ::PQconnectdb(url.c_str());
  const auto backend = static_cast<pid_t>(::PQbackendPID(busy));
  REQUIRE(::PQsendQuery(busy,
                        "select sum(a * b) from generate_series(1, 1000000000) a, "
                        "generate_series(1, 1000) b") == 1);
  CHECK(Await([&] {
    return Sql(url, fmt::format("select state from pg_stat_activity where pid = {}", backend)) ==
           "active";
  }));
  const pid_t postmaster = servers->Pid("db");
  const int segment = Segment(*servers);
  CHECK(segment >= 0);
  Act(*servers, "db", ServerAction::kKill);
  CHECK(Gone(postmaster));
  CHECK(Gone(backend));
  shmid_ds info{};
  CHECK(::shmctl(segment, IPC_STAT, &info) == -1);
  PGresult* const lost = ::PQgetResult(busy);
  CHECK(lost != nullptr);
  ::PQclear(lost);
  CHECK(::PQstatus(busy) == CONNECTION_BAD);
  ::PQfinish(busy);
  CHECK_THROWS_AS(Act(*servers, "db", ServerAction::kKill), IoError);

  Act(*servers, "db", ServerAction::kRestart);
  CHECK(servers->Pid("db") != postmaster);
  CHECK(Sql(url, "select n from t") == "7");
  // In good order, while it lives.
  Act(*servers, "db", ServerAction::kRestart);
  CHECK(Sql(url, "select n from t") == "7");
}

TEST_CASE("private PostgreSQL: a stopped one is mute with all its backends, until it goes on") {
  auto servers = Start(kDb);
  if (!servers) return;
  PGconn* connection = ::PQconnectdb(servers->Url("db").c_str());
  const auto backend = static_cast<pid_t>(::PQbackendPID(connection));
  Act(*servers, "db", ServerAction::kStop);
  REQUIRE(::PQsendQuery(connection, "select 1") == 1);
  // It stands still: a signal that would end it is not taken.
  ::kill(backend, SIGTERM);
  CHECK(::PQconsumeInput(connection) == 1);
  CHECK(::PQisBusy(connection) == 1);
  CHECK_FALSE(Gone(backend));
  Act(*servers, "db", ServerAction::kContinue);
  CHECK(Await([&] { return Gone(backend); }));
  ::PQfinish(connection);
  CHECK(Sql(servers->Url("db"), "select 1") == "1");
}

TEST_CASE("private Redis with a replica: it follows, is promoted, and the old one returns") {
  auto servers = Start(kKvPair);
  if (!servers) return;
  CHECK(Ask(*servers, 0, "SET k 1") == "+OK\r\n");
  CHECK(Await([&] { return Ask(*servers, 1, "GET k") == "$1\r\n1\r\n"; }));
  CHECK(Says(Ask(*servers, 1, "SET k 2"), "-READONLY"));
  CHECK(ResolveTopologyUrl(*servers, "kv") == servers->Url("kv"));
  // Without its password nobody gets in.
  CHECK(AskRedis({Door(*servers, 0).port, "wrong"}, "GET k").empty());

  Act(*servers, "kv", ServerAction::kKill);
  Act(*servers, "kv", ServerAction::kRestart);  // nobody was promoted: as the primary
  CHECK(Ask(*servers, 0, "GET k") == "$1\r\n1\r\n");
  CHECK(Says(Ask(*servers, 0, "INFO replication"), "role:master"));

  Act(*servers, "kv", ServerAction::kKill);
  Act(*servers, "kv", ServerAction::kPromote);
  CHECK(Ask(*servers, 1, "SET k 3") == "+OK\r\n");
  Act(*servers, "kv", ServerAction::kRestart);
  CHECK(Await([&] { return Ask(*servers, 0, "GET k") == "$1\r\n3\r\n"; }));
  CHECK(Says(Ask(*servers, 0, "INFO replication"), "role:slave"));
  Act(*servers, "kv", ServerAction::kRestart, 1);  // it remains what it became
  CHECK(Says(Ask(*servers, 1, "INFO replication"), "role:master"));
  CHECK(Ask(*servers, 1, "GET k") == "$1\r\n3\r\n");
}

TEST_CASE("private Redis with Sentinels: they replace a killed primary") {
  auto servers = Start(kWatched);
  if (!servers) return;
  REQUIRE(servers->Nodes("kv") == 6);
  CHECK(servers->Role("kv", 5) == "sentinel");
  CHECK(servers->Url("kv").starts_with("redis+sentinel://:"));
  CHECK(servers->Url("kv").ends_with("/perfkit"));
  CHECK(Ask(*servers, 0, "SET k 1") == "+OK\r\n");
  CHECK(Await([&] { return Ask(*servers, 2, "GET k") == "$1\r\n1\r\n"; }));

  const auto leads = [&](std::size_t node) {
    return Says(Ask(*servers, 4, "SENTINEL GET-MASTER-ADDR-BY-NAME perfkit"),
                fmt::format("\n{}\r\n", Door(*servers, node).port)) &&
           Says(Ask(*servers, node, "INFO replication"), "role:master");
  };
  CHECK(leads(0));
  const TimePoint killed = Clock::now();
  Act(*servers, "kv", ServerAction::kKill);
  CHECK(Await([&] { return leads(1) || leads(2); }));
  MESSAGE("failover after " << ToMs(Clock::now() - killed) << " ms");
  const std::size_t second = leads(1) ? 1 : 2;
  CHECK(Ask(*servers, second, "SET k 2") == "+OK\r\n");

  Act(*servers, "kv", ServerAction::kRestart);
  CHECK(servers->Pid("kv", 0) > 0);
  CHECK(Await([&] { return Says(Ask(*servers, 0, "INFO replication"), "role:slave"); }));
  CHECK(Await([&] { return Ask(*servers, 0, "GET k") == "$1\r\n2\r\n"; }));
  CHECK_THROWS_AS(Act(*servers, "kv", ServerAction::kPromote, 1), Error);
}

TEST_CASE("private Redis with Sentinels: a failover on request") {
  auto servers = Start(kWatched);
  if (!servers) return;
  Act(*servers, "kv", ServerAction::kPromote);
  CHECK((Says(Ask(*servers, 1, "INFO replication"), "role:master") ||
         Says(Ask(*servers, 2, "INFO replication"), "role:master")));
}

TEST_CASE("private Redis Cluster: each key has one node, which comes back with it") {
  auto servers = Start(kCluster);
  if (!servers) return;
  REQUIRE(servers->Nodes("kv") == 3);
  CHECK(servers->Url("kv").starts_with("redis+cluster://:"));
  // "123456789" is slot 12739, by the specification's own example.
  CHECK(Ask(*servers, 2, "SET 123456789 x") == "+OK\r\n");
  CHECK(Says(Ask(*servers, 0, "GET 123456789"),
             fmt::format("-MOVED 12739 127.0.0.1:{}", Door(*servers, 2).port)));
  for (std::size_t node = 0; node < 3; ++node)
    CHECK(Says(Ask(*servers, node, "CLUSTER INFO"), "cluster_state:ok"));

  Act(*servers, "kv", ServerAction::kKill, 2);
  CHECK(Await([&] { return Says(Ask(*servers, 0, "CLUSTER INFO"), "cluster_state:fail"); }));
  Act(*servers, "kv", ServerAction::kRestart);
  CHECK(Ask(*servers, 2, "GET 123456789") == "$1\r\nx\r\n");
  CHECK(Says(Ask(*servers, 0, "CLUSTER INFO"), "cluster_state:ok"));
  CHECK_THROWS_AS(Act(*servers, "kv", ServerAction::kPromote), Error);
}

TEST_CASE("private topologies: what makes no sense is refused") {
  PrivateSpec spec{"db", Kind::kPostgres, {}, Topology::kCluster};
  CHECK_THROWS_AS(PrivateServers::Start(std::array{spec}, Soon()), ConfigError);
  spec = {"web", Kind::kSpeech, {}, Topology::kPrimaryReplica};
  CHECK_THROWS_AS(PrivateServers::Start(std::array{spec}, Soon()), ConfigError);
  spec.topology = Topology::kSingle;
  auto servers = PrivateServers::Start(std::array{spec}, Soon());
  CHECK_THROWS_AS(Act(servers, "other", ServerAction::kKill), Error);
  CHECK_THROWS_AS(Act(servers, "web", ServerAction::kKill, 1), Error);
  CHECK_THROWS_AS(Act(servers, "web", ServerAction::kPromote), Error);
  const pid_t before = servers.Pid("web");
  const std::string url = servers.Url("web");
  Act(servers, "web", ServerAction::kKill);
  CHECK(Gone(before));
  Act(servers, "web", ServerAction::kRestart);
  CHECK(servers.Pid("web") > 0);
  CHECK(servers.Url("web") == url);
}

/// What `ask` says to the user whom the servers run as: for that, root alone is not always enough.
std::uint64_t AsServers(const struct stat& directory, const std::function<std::uint64_t()>& ask) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool root = ::geteuid() == 0;
    if (root && (::setresgid(directory.st_gid, directory.st_gid, directory.st_gid) != 0 ||
                 ::setresuid(directory.st_uid, directory.st_uid, directory.st_uid) != 0))
      ::_exit(1);
    const std::uint64_t answer = ask();
    ::_exit(::write(ends[1], &answer, sizeof answer) == sizeof answer ? 0 : 1);
  }
  std::uint64_t answer = 0;
  CHECK(::read(ends[0], &answer, sizeof answer) == sizeof answer);
  ::waitpid(child, nullptr, 0);
  for (const int fd : ends) ::close(fd);
  return answer;
}

/// One server with all that it may have made.
struct Family {
  struct stat directory{};
  pid_t root = -1;
  KinMark mark = 0;

  Family(const std::string& path, pid_t pid) : root(pid) {
    REQUIRE(::stat(path.c_str(), &directory) == 0);
    mark = AsServers(directory, [pid] { return KinMarkOf(pid); });
  }
  std::size_t Size() const {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {  // orphans became ours
    }
    return AsServers(directory, [this] { return KinOf(mark, root).size(); });
  }
};

/// What a program leaves that was killed after `act`: nothing may be.
void CheckLeavesNothing(const PrivateSpec& spec, const Victim::Act& act) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  OpenDirectory temporary;
  PrivateOptions options;
  options.temporary = temporary.Path();
  Victim victim({spec}, options, act);
  const auto told = victim.Told();
  REQUIRE(told.size() >= 4);
  std::vector<Family> servers;
  for (std::size_t i = 3; i < told.size(); ++i)  // after the guardian
    if (const auto pid = static_cast<pid_t>(std::stoi(told[i])); pid > 0)
      servers.emplace_back(told[0], pid);
  REQUIRE_FALSE(servers.empty());
  for (const Family& family : servers) CHECK(family.Size() > 0);
  victim.Kill();
  const TimePoint start = Clock::now();
  CHECK(Await([&] { return Gone(static_cast<pid_t>(std::stoi(told[2]))); }));
  // Not only those that were told of, but whatever they made.
  for (const Family& family : servers) CHECK(Await([&] { return family.Size() == 0; }));
  MESSAGE(servers.size() << " servers and their guardian gone after " << ToMs(Clock::now() - start)
                         << " ms");
  CHECK(temporary.Empty());
}

TEST_CASE("private topologies: a stopped pair whose guardian was killed is swept whole") {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  OpenDirectory temporary;
  PrivateOptions options;
  options.temporary = temporary.Path();
  if (!Start(kPair)) return;
  auto servers = PrivateServers::Start(std::array{kPair}, Soon(), options);
  const std::array families = {Family(servers.Directory(), servers.Pid("db", 0)),
                               Family(servers.Directory(), servers.Pid("db", 1))};
  CHECK(families[0].mark != families[1].mark);
  for (const Family& family : families) CHECK(family.Size() > 3);
  Act(servers, "db", ServerAction::kStop, 0);
  Act(servers, "db", ServerAction::kStop, 1);
  ::kill(servers.GuardianPid(), SIGKILL);
  servers.Stop();
  const PrivateSpec web{"web", Kind::kSpeech, {}, Topology::kSingle};
  const auto next = PrivateServers::Start(std::array{web}, Soon(), options);
  for (const Family& family : families) CHECK(Await([&] { return family.Size() == 0; }));
  CHECK_FALSE(std::filesystem::exists(servers.Directory()));
}

TEST_CASE("private topologies: all nodes go when their program is killed") {
  if (!Start(kPair) || !Start(kKvPair)) return;
  const auto nothing = [](PrivateServers&) {};
  SUBCASE("PostgreSQL") { CheckLeavesNothing(kPair, nothing); }
  SUBCASE("Redis") { CheckLeavesNothing(kKvPair, nothing); }
  SUBCASE("Sentinel") { CheckLeavesNothing(kWatched, nothing); }
  SUBCASE("Cluster") { CheckLeavesNothing(kCluster, nothing); }
  SUBCASE("restarted, killed and stopped ones") {
    CheckLeavesNothing(kPair, [](PrivateServers& servers) {
      Act(servers, "db", ServerAction::kKill);
      Act(servers, "db", ServerAction::kRestart);
      Act(servers, "db", ServerAction::kKill, 1);
      Act(servers, "db", ServerAction::kStop, 0);
    });
    CheckLeavesNothing(kWatched, [](PrivateServers& servers) {
      Act(servers, "kv", ServerAction::kKill);
      Act(servers, "kv", ServerAction::kRestart);
      Act(servers, "kv", ServerAction::kKill, 5);
      Act(servers, "kv", ServerAction::kStop, 1);
    });
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace perf::backends

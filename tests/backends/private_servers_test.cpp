// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/private_servers.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <grp.h>
#include <libpq-fe.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/server_plan.hpp"
#include "libperf/base/error.hpp"
#include "tests/backends/private_victim.hpp"
#include "tests/backends/raw_http.hpp"

namespace perf::backends {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Kind = PrivateSpec::Kind;

const PrivateSpec kDb{"db", Kind::kPostgres, {}};
const PrivateSpec kKv{"kv", Kind::kRedis, {}};
const PrivateSpec kSpeech{"speech", Kind::kSpeech, {}};

bool Await(const std::function<bool()>& condition) {
  const Deadline deadline = Soon();
  while (!condition()) {
    if (deadline.Passed(Clock::now())) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// Whether a process has ended; orphans become ours, see AdoptOrphans.
bool Gone(pid_t pid) {
  return ::waitpid(pid, nullptr, WNOHANG) == pid || (::kill(pid, 0) != 0 && errno == ESRCH);
}

/// Process 1 of a container may never reap what it inherits; then ended ones would still be seen.
void AdoptOrphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

bool Skip(std::initializer_list<Kind> needed) {
  bool postgres = FindProgram("initdb", DefaultSearchPath()).has_value();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error))
    postgres = postgres || fs::exists(entry.path() / "bin/initdb", error);
  const bool redis = FindProgram("redis-server", DefaultSearchPath()) ||
                     FindProgram("valkey-server", DefaultSearchPath());
  for (const Kind kind : needed) {
    if ((kind != Kind::kPostgres || postgres) && (kind != Kind::kRedis || redis)) continue;
    MESSAGE("SKIPPED: needs the package " << (postgres ? "redis-server" : "postgresql"));
    return true;
  }
  return false;
}

std::string AskPostgres(const std::string& conninfo) {
  PGconn* connection = ::PQconnectdb(conninfo.c_str());
  PGresult* result = ::PQexec(connection, "select 6 * 7, current_setting('fsync')");
  std::string answer =
      ::PQresultStatus(result) == PGRES_TUPLES_OK
          ? fmt::format("{} {}", PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1))
          : ::PQerrorMessage(connection);
  ::PQclear(result);
  ::PQfinish(connection);
  return answer;
}

std::uint16_t Port(const std::string& url) {
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

/// Speaks to each server as its clients do. Redis' socket is asked by the plan's own PING.
std::string AskAll(const PrivateServers& servers) {
  if (servers.Has("db"))
    if (const auto answer = AskPostgres(servers.Url("db")); answer != "42 off") return answer;
  if (servers.Has("kv")) {
    const std::string path = servers.Url("kv").substr(7);
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return "no socket " + path;
    if (!RedisAnswers(path)) return "no PONG";
  }
  if (servers.Has("speech")) {
    RawClient client(Port(servers.Url("speech")));
    if (client.Ask("GET", "/tts?text=x").body.size() != 9600) return "no speech";
  }
  return "ok";
}

std::string StartFailure(std::vector<PrivateSpec> specs, Deadline deadline,
                         PrivateOptions options) {
  try {
    PrivateServers::Start(specs, deadline, options);
  } catch (const UnreachableError& error) {
    return error.what();
  }
  return "started";
}

TEST_CASE("private servers: all three start, answer, and leave nothing behind") {
  if (Skip({Kind::kPostgres, Kind::kRedis})) return;
  const TimePoint start = Clock::now();
  auto servers = PrivateServers::Start(std::array{kDb, kKv, kSpeech}, Soon());
  MESSAGE("all ready after " << ToMs(Clock::now() - start) << " ms");
  CHECK(AskAll(servers) == "ok");

  const std::string directory = servers.Directory();
  struct stat info{};
  REQUIRE(::stat(directory.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0700);
  CHECK(info.st_uid != 0);
  CHECK_THROWS_AS(servers.Url("other"), Error);

  const std::array pids = {servers.Pid("db"), servers.Pid("kv"), servers.Pid("speech"),
                           servers.GuardianPid()};
  PrivateServers moved = std::move(servers);
  CHECK(AskAll(moved) == "ok");
  moved.Stop();
  CHECK_FALSE(fs::exists(directory));
  for (const pid_t pid : pids) CHECK(Gone(pid));
}

TEST_CASE("private servers: none asked for, none started; two of one name are refused") {
  const auto none = PrivateServers::Start({}, Soon());
  CHECK(none.GuardianPid() == -1);
  CHECK_THROWS_AS(PrivateServers::Start(std::array{kSpeech, kSpeech}, Soon()), ConfigError);
}

TEST_CASE("private servers: they go when their program is killed") {
  if (Skip({Kind::kPostgres, Kind::kRedis})) return;
  AdoptOrphans();
  OpenDirectory temporary;
  PrivateOptions options;
  options.temporary = temporary.Path();
  Victim victim({kDb, kKv, kSpeech}, options);
  const auto told = victim.Told();
  REQUIRE(told.size() == 6);
  victim.Kill();
  const TimePoint start = Clock::now();
  for (std::size_t i = 2; i < told.size(); ++i)
    CHECK(Await([&] { return Gone(static_cast<pid_t>(std::stoi(told[i]))); }));
  MESSAGE("all gone after " << ToMs(Clock::now() - start) << " ms");
  CHECK(temporary.Empty());
}

TEST_CASE("private servers: they go when their program is killed while they start") {
  if (Skip({Kind::kPostgres})) return;
  AdoptOrphans();
  OpenDirectory temporary;
  PrivateOptions options;
  options.temporary = temporary.Path();
  Victim victim({kDb, kSpeech}, options);
  CHECK(Await([&] { return !temporary.Empty(); }));
  victim.Kill();
  CHECK(Await([&] { return temporary.Empty(); }));
}

TEST_CASE("private servers: they go when the guardian is killed, and the next start sweeps") {
  if (Skip({Kind::kPostgres, Kind::kRedis})) return;
  AdoptOrphans();
  OpenDirectory temporary;
  PrivateOptions options;
  options.temporary = temporary.Path();
  auto servers = PrivateServers::Start(std::array{kDb, kKv, kSpeech}, Soon(), options);
  const std::string directory = servers.Directory();
  const auto others = PrivateServers::Start(std::array{kKv}, Soon(), options);

  // A stopped server may hear its death signal only when somebody wakes it: the sweeper must.
  const pid_t stopped = servers.Pid("db");
  ::kill(stopped, SIGSTOP);
  ::kill(servers.GuardianPid(), SIGKILL);
  CHECK(Await([&] { return Gone(servers.Pid("kv")) && Gone(servers.Pid("speech")); }));
  servers.Stop();
  CHECK(fs::exists(directory));

  const auto next = PrivateServers::Start(std::array{kSpeech}, Soon(), options);
  CHECK_FALSE(fs::exists(directory));
  CHECK(Await([&] { return Gone(stopped); }));
  // A run that is alive is not swept.
  CHECK(fs::exists(others.Directory()));
  CHECK(AskAll(others) == "ok");
}

TEST_CASE("private servers: Ctrl-C in the terminal does not reach them") {
  if (Skip({Kind::kRedis})) return;
  AdoptOrphans();
  Victim victim({kKv, kSpeech}, {});
  const auto told = victim.Told();
  REQUIRE(told.size() == 5);
  for (std::size_t i = 2; i < told.size(); ++i) {
    const auto pid = static_cast<pid_t>(std::stoi(told[i]));
    CHECK(::getpgid(pid) != victim.Pid());
    CHECK(::getsid(pid) != ::getsid(victim.Pid()));
  }
  CHECK(::kill(-victim.Pid(), SIGINT) == 0);
  CHECK(::kill(-victim.Pid(), SIGHUP) == 0);  // ends the program, as closing the terminal does
  for (std::size_t i = 2; i < told.size(); ++i)
    CHECK(Await([&] { return Gone(static_cast<pid_t>(std::stoi(told[i]))); }));
  CHECK_FALSE(fs::exists(told[0]));
}

TEST_CASE("private servers: what is missing is named with its package") {
  OpenDirectory empty;
  PrivateOptions options;
  options.search_path = empty.Path();
  const std::string postgres = StartFailure({kDb}, Soon(), options);
  CHECK(postgres == "target db: private PostgreSQL: initdb not found: install postgresql");
  const std::string redis = StartFailure({kSpeech, kKv}, Soon(), options);
  CHECK(redis.find("target kv: private Redis: redis-server not found: install redis-server") == 0);
}

TEST_CASE("private servers: a server that fails or is late is named with what its log says") {
  AdoptOrphans();
  OpenDirectory programs;
  OpenDirectory temporary;
  PrivateOptions options;
  options.search_path = programs.Path();
  options.temporary = temporary.Path();
  programs.WriteProgram("initdb", "#!/bin/sh\necho 'no room for the cluster' >&2\nexit 1\n");
  programs.WriteProgram("postgres", "#!/bin/sh\nexit 1\n");
  const std::string failed = StartFailure({kDb}, Soon(), options);
  CHECK(
      failed.find("its preparation failed, exit status 1; its log ends: no room for the cluster") !=
      std::string::npos);
  programs.WriteProgram("redis-server", "#!/bin/sh\nexec sleep 60\n");
  const auto late = StartFailure({kKv}, Deadline::After(Clock::now(), 100ms), options);
  CHECK(late.find("target kv: private Redis: it was not ready in time") == 0);
  CHECK(temporary.Empty());
}

TEST_CASE("private servers: an ordinary user starts them too") {
  if (::geteuid() != 0) return;  // then all the cases above have shown it
  if (Skip({Kind::kPostgres, Kind::kRedis})) return;
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)
      ::_exit(3);
    try {
      auto servers = PrivateServers::Start(std::array{kDb, kKv, kSpeech}, Soon());
      const std::string directory = servers.Directory();
      const bool answers = AskAll(servers) == "ok";
      servers.Stop();
      ::_exit(answers && !fs::exists(directory) ? 0 : 1);
    } catch (const std::exception& error) {
      ::dprintf(2, "%s\n", error.what());
      ::_exit(2);
    }
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace
}  // namespace perf::backends

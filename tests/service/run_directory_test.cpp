// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/run_directory.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/guarded.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::service {
namespace {

mode_t ModeOf(const std::string& path) {
  struct stat info{};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("run directory: made for its user alone, and refused where it is not") {
  const test::ScratchDir scratch;
  const RunDirectory made(scratch / "run");
  CHECK(ModeOf(scratch / "run") == 0700);
  const RunDirectory again(scratch / "run");
  CHECK(again.Sockets().empty());
  for (const mode_t mode : {0701, 0702, 0704, 0720, 0777}) {
    ::chmod((scratch / "run").c_str(), mode);
    CHECK_THROWS_AS(RunDirectory(scratch / "run"), ConfigError);
  }
  std::filesystem::create_directory_symlink(scratch / "", scratch / "link");
  CHECK_THROWS_AS(RunDirectory(scratch / "link"), ConfigError);
  std::ofstream(scratch / "file") << "x";
  CHECK_THROWS_AS(RunDirectory(scratch / "file"), ConfigError);
  CHECK_THROWS_AS(RunDirectory(scratch / "none/run"), IoError);
}

TEST_CASE("run directory: one socket for each, which goes with its listener") {
  const test::ScratchDir scratch;
  const RunDirectory directory(scratch / "run");
  const std::string own = std::to_string(::getpid());
  {
    const UnixListener first = directory.Listen("agent");
    const UnixListener second = directory.Listen("agent");
    CHECK(first.Path() == scratch / ("run/agent-" + own + ".sock"));
    CHECK(second.Path() == scratch / ("run/agent-" + own + "-1.sock"));
    CHECK(ModeOf(first.Path()) == 0600);
    CHECK(directory.Sockets() == std::vector<std::string>{second.Path(), first.Path()});
    CHECK(directory.Sweep() == 0);
  }
  CHECK(directory.Sockets().empty());
  // A system service's directory admits its group, and so does its socket.
  ::chmod((scratch / "run").c_str(), 0750);
  const UnixListener shared = directory.Listen("agent");
  CHECK(ModeOf(shared.Path()) == 0660);
}

TEST_CASE("run directory: sockets of the dead are swept, other files are left alone") {
  const test::ScratchDir scratch;
  const RunDirectory directory(scratch / "run");
  const std::string stale = scratch / "run/agent-1.sock";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, stale.c_str(), stale.size());
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
  std::ofstream(scratch / "run/notes.sock") << "no socket";
  CHECK(directory.Sockets() == std::vector<std::string>{stale});
  const UnixListener live = directory.Listen("run");
  CHECK(directory.Sockets() == std::vector<std::string>{live.Path()});
  CHECK(std::filesystem::exists(scratch / "run/notes.sock"));
}

/// A client's connection to whoever listens at the path.
int Connected(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

TEST_CASE("run directory: threads that listen at once have a name each, which leads to them") {
  const test::ScratchDir scratch;
  const RunDirectory directory(scratch / "run");
  constexpr int kThreads = 8;
  for (int round = 0; round < 20; ++round) {
    Guarded<std::vector<UnixListener>> listeners;
    Guarded<std::vector<std::string>> failures;
    std::vector<std::thread> threads;
    std::barrier begin(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        begin.arrive_and_wait();
        try {
          UnixListener made = directory.Listen("agent");
          auto all = listeners.Lock();
          all->push_back(std::move(made));
        } catch (const Error& error) {
          auto all = failures.Lock();
          all->emplace_back(error.what());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    auto failed = failures.Lock();
    CHECK(*failed == std::vector<std::string>{});
    auto all = listeners.Lock();
    CHECK(directory.Sockets().size() == all->size());
    for (UnixListener& listener : *all) {
      const int client = Connected(listener.Path());
      pollfd asked{listener.TakeSocket(), POLLIN, 0};
      CHECK(::poll(&asked, 1, 0) == 1);
      ::close(asked.fd);
      ::close(client);
    }
  }
}

TEST_CASE("run directory: that of a service's user is believed where only root can have made it") {
  const test::ScratchDir scratch;
  const RunDirectory directory(scratch / "run");
  const UnixListener live = directory.Listen("agent");
  const std::vector<std::string> own{live.Path()}, none;
  const bool root = ::geteuid() == 0;
  if (root) REQUIRE(::chown((scratch / "run").c_str(), 12345, 12345) == 0);
  CHECK(RunDirectory::SocketsIn(scratch / "run") == own);
  ::chmod((scratch / "").c_str(), 01777);  // as in the temporary folder: anybody can have
  CHECK(RunDirectory::SocketsIn(scratch / "run") == (root ? none : own));
}

TEST_CASE("run directory: its place") {
  const auto place = [](std::map<std::string, std::string> variables) {
    return RunDirectory::Place(
        config::Environment([variables](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          if (found == variables.end()) return std::nullopt;
          return found->second;
        }));
  };
  const std::string own = "perfkit-" + std::to_string(::geteuid());
  CHECK(place({{"XDG_RUNTIME_DIR", "/run/user/7"}}) == "/run/user/7/perfkit");
  CHECK(place({{"XDG_RUNTIME_DIR", "relative"}}) == "/tmp/" + own);
  CHECK(place({{"TMPDIR", "/var/tmp"}}) == "/var/tmp/" + own);
  CHECK(place({}) == "/tmp/" + own);
  // Whose place is that of the system finds each agent once.
  for (const char* runtime : {"/run", "/run/user/7"}) {
    const auto places = RunDirectory::Places(
        config::Environment([&](const std::string& name) -> std::optional<std::string> {
          return name == "XDG_RUNTIME_DIR" ? std::optional<std::string>(runtime) : std::nullopt;
        }));
    CHECK(std::count(places.begin(), places.end(), "/run/perfkit") == 1);
  }
}

TEST_CASE("run directory: a path that is too long for a socket is told") {
  const test::ScratchDir scratch;
  const RunDirectory directory(scratch / std::string(90, 'x'));
  CHECK_THROWS_AS(static_cast<void>(directory.Listen("agent")), IoError);
}

}  // namespace
}  // namespace perf::service

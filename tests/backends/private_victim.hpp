// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {

inline Deadline Soon() { return Deadline::After(Clock::now(), std::chrono::seconds(60)); }

/// A directory that any user may fill, as /tmp.
class OpenDirectory {
 public:
  OpenDirectory() {
    path_ = "/tmp/perftest-XXXXXX";
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
    REQUIRE(::chmod(path_.c_str(), 01777) == 0);
  }
  ~OpenDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& Path() const { return path_; }
  bool Empty() const { return std::filesystem::is_empty(path_); }
  void WriteProgram(const std::string& name, const std::string& text) const {
    const std::string file = path_ + "/" + name;
    std::ofstream(file) << text;
    REQUIRE(::chmod(file.c_str(), 0755) == 0);
  }

 private:
  std::string path_;
};

/// A process that starts servers, tells about them, and then only waits to be killed.
class Victim {
 public:
  using Act = std::function<void(PrivateServers&)>;
  /// `act` is what it does to the servers before it waits.
  Victim(
      std::vector<PrivateSpec> specs, PrivateOptions options,
      const Act& act = [](PrivateServers&) {}) {
    REQUIRE(::pipe(pipe_.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      std::signal(SIGHUP, SIG_DFL);  // whoever runs the tests under nohup has it ignored
      Live(specs, options, act);
    }
    ::close(pipe_[1]);
  }
  ~Victim() {
    ::close(pipe_[0]);
    if (!dead_) Kill();
  }
  void Kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    dead_ = true;
  }
  /// The first line is the directory, the second redis' URL, then process ids: guardian first.
  std::vector<std::string> Told() {
    std::string text;
    std::array<char, 1024> bytes;
    while (text.find("end\n") == std::string::npos) {
      const ssize_t n = ::read(pipe_[0], bytes.data(), bytes.size());
      if (n <= 0) break;
      text.append(bytes.data(), static_cast<std::size_t>(n));
    }
    std::vector<std::string> lines;
    for (const auto line : Split(text, '\n'))
      if (!line.empty() && line != "end") lines.emplace_back(line);
    return lines;
  }
  pid_t Pid() const { return pid_; }

 private:
  [[noreturn]] void Live(const std::vector<PrivateSpec>& specs, const PrivateOptions& options,
                         const Act& act) {
    try {
      ::setpgid(0, 0);
      ::signal(SIGINT, SIG_IGN);  // as a program does that writes its results first
      auto servers = PrivateServers::Start(specs, Soon(), options);
      act(servers);
      std::string text =
          fmt::format("{}\n{}\n{}\n", servers.Directory(),
                      servers.Has("kv") ? servers.Url("kv") : "-", servers.GuardianPid());
      for (const auto& spec : specs)
        for (std::size_t node = 0; node < servers.Nodes(spec.name); ++node)
          text += fmt::format("{}\n", servers.Pid(spec.name, node));
      text += "end\n";
      if (::write(pipe_[1], text.data(), text.size()) < 0) ::_exit(3);
      for (;;) ::pause();
    } catch (const std::exception& error) {
      ::dprintf(2, "%s\n", error.what());
      ::_exit(2);
    }
  }

  std::array<int, 2> pipe_{};
  pid_t pid_ = -1;
  bool dead_ = false;
};

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
// This machine as the doctor's patient: the only file here that runs programs or asks the kernel.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/monitor/doctor/doctor.hpp"
#include "libperf/monitor/doctor/tree.hpp"

extern char** environ;

namespace perf::monitor {
namespace {

constexpr std::size_t kMostPrinted = 4'096;

/// What is printed until the end of the program, of `most` bytes, or of the time.
std::string ReadUntil(int fd, Deadline deadline) {
  std::string printed;
  std::array<char, 1024> chunk;
  while (printed.size() < kMostPrinted) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline.Remaining(Clock::now()));
    pollfd ready{fd, POLLIN, 0};
    if (left.count() == 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0) break;
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got <= 0) break;
    printed.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return printed;
}

/// Both streams: nginx tells its version on standard error.
std::optional<std::string> PrintedBy(const std::string& program, const char* flag,
                                     Deadline deadline) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
  std::string name = program, argument = flag;
  std::array<char*, 3> words{name.data(), argument.data(), nullptr};
  pid_t child = -1;
  const int failed =
      ::posix_spawn(&child, program.c_str(), &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::optional<std::string> printed;
  if (failed == 0) {
    printed = ReadUntil(pipe[0], deadline);
    // It has told what it had to tell, or the time is over.
    ::kill(child, SIGKILL);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  ::close(pipe[0]);
  return printed;
}

std::optional<std::string> VersionOf(const std::string& program) {
  // nginx knows no long form.
  const char* const flag =
      program.ends_with("/nginx") || program.ends_with("/haproxy") ? "-v" : "--version";
  return PrintedBy(program, flag, Deadline::After(Clock::now(), std::chrono::seconds(2)));
}

}  // namespace

DoctorOptions ThisMachine() {
  DoctorOptions options;
  const char* const path = std::getenv("PATH");
  options.search_path = path == nullptr ? "" : std::string(path) + ":";
  options.search_path += "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  options.version_of = VersionOf;
  options.stat_before = Tree("").Text("/proc/stat");
  timex clock{};
  if (const int state = ::adjtimex(&clock); state >= 0) {
    options.clock_synchronized = state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0;
  }
  options.superuser = ::geteuid() == 0;
  return options;
}

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/guardian_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

#include "libperf/backends/private_directory.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr int kStatusCannotRun = 127;  // as shells say it

constexpr const char* kMemoryDirectory = "/dev/shm";
constexpr std::uint64_t kRoomy = std::uint64_t{2} << 30;

/// Whether `path` is a tmpfs that will not be filled by a data base of ordinary size; those of
/// containers are often 64 MiB.
bool IsRoomyMemory(const char* path) noexcept {
  struct statfs info{};
  struct sysinfo machine{};
  if (::statfs(path, &info) != 0 || info.f_type != TMPFS_MAGIC) return false;
  if (::sysinfo(&machine) != 0 || ::access(path, W_OK | X_OK) != 0) return false;
  return info.f_bavail * static_cast<std::uint64_t>(info.f_bsize) >= kRoomy &&
         std::uint64_t{machine.totalram} * machine.mem_unit >= 2 * kRoomy;
}

void CloseAllBut(int keep) noexcept {
  if (keep < 3) {
    ::close_range(3, ~0U, 0);
    return;
  }
  if (keep > 3) ::close_range(3, static_cast<unsigned>(keep) - 1, 0);
  ::close_range(static_cast<unsigned>(keep) + 1, ~0U, 0);
}

void PointAt(const char* file, int flags, std::initializer_list<int> targets) noexcept {
  const int fd = ::open(file, flags | O_CLOEXEC, 0600);
  if (fd < 0) return;
  for (const int target : targets) ::dup2(fd, target);
  if (std::find(targets.begin(), targets.end(), fd) == targets.end()) ::close(fd);
}

/// Nothing of the user's environment may change how a server behaves (PGDATA, LC_ALL, …).
std::vector<std::string> ServerEnvironment() {
  // TZ also spares initdb its search through the time zone data base.
  std::vector<std::string> result = {"LC_ALL=C", "TZ=UTC", "PATH=" + DefaultSearchPath()};
  if (const char* libraries = std::getenv("LD_LIBRARY_PATH"))
    result.push_back(std::string("LD_LIBRARY_PATH=") + libraries);
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void ResetSignals() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void RunChild(const ServerCommand& command, const SpawnPlace& at, pid_t guardian) {
  ::setpgid(0, 0);
  ResetSignals();
  ::prctl(PR_SET_PDEATHSIG, at.death_signal);
  // The guardian may have died before the line above: then no signal will come.
  if (::getppid() != guardian) ::_exit(1);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  if (at.mark != 0) TakeKinMark(at.mark);
  CloseAllBut(command.descriptor);
  PointAt(fmt::format("{}/{}.log", at.directory, at.place).c_str(), O_WRONLY | O_CREAT | O_APPEND,
          {1, 2});
  if (!HoldPlace(at.directory, at.place)) ::_exit(1);
  if (command.run) {
    command.run();
    ::_exit(0);
  }
  auto arguments = command.argv;
  auto environment = ServerEnvironment();
  ::execve(arguments.front().c_str(), Pointers(arguments).data(), Pointers(environment).data());
  ::dprintf(2, "cannot run %s: %s\n", arguments.front().c_str(), std::strerror(errno));
  ::_exit(kStatusCannotRun);
}

}  // namespace

int Isolate(int channel) noexcept {
  const int moved = ::fcntl(channel, F_DUPFD_CLOEXEC, 3);
  PointAt("/dev/null", O_RDWR, {0, 1, 2});
  CloseAllBut(moved);
  return moved;
}

int BlockSignals() {
  ResetSignals();
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  sigset_t read;
  ::sigemptyset(&read);
  for (const int signal : {SIGTERM, SIGCHLD, SIGUSR1}) ::sigaddset(&read, signal);
  ::sigprocmask(SIG_BLOCK, &read, nullptr);
  const int fd = ::signalfd(-1, &read, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) throw UnreachableError("cannot start private servers: no signalfd");
  return fd;
}

void BecomeUnprivileged(const std::string& user) {
  if (::geteuid() != 0) return;
  std::vector<std::string> candidates = {"postgres", "redis", "nobody"};
  if (!user.empty()) candidates = {user};
  for (const auto& name : candidates) {
    const passwd* entry = ::getpwnam(name.c_str());
    if (entry == nullptr || entry->pw_uid == 0) continue;
    // Where a user name space maps no other user, root is not worth more than that user anyway.
    const gid_t gid = entry->pw_gid;
    const uid_t uid = entry->pw_uid;
    if (::setgroups(1, &gid) == 0 && ::setresgid(gid, gid, gid) == 0 &&
        ::setresuid(uid, uid, uid) == 0)
      return;
  }
  if (!user.empty()) throw UnreachableError("cannot become user " + user);
}

std::string TemporaryParent(const std::string& asked) {
  if (!asked.empty()) return asked;
  const char* variable = std::getenv("TMPDIR");
  if (variable != nullptr && *variable != '\0') return variable;
  return IsRoomyMemory(kMemoryDirectory) ? kMemoryDirectory : "/tmp";
}

pid_t Spawn(const ServerCommand& command, const SpawnPlace& at) {
  const pid_t guardian = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    try {
      RunChild(command, at, guardian);
    } catch (const std::exception& error) {
      ::dprintf(2, "%s\n", error.what());
    }
    ::_exit(1);
  }
  // Also here: a signal to the group must not come before the child has made it.
  if (pid > 0) ::setpgid(pid, pid);
  return pid;
}

std::string LogTail(const std::string& file) {
  constexpr std::streamoff kTail = 600;
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  if (!stream) return {};
  const std::streamoff size = stream.tellg();
  stream.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string text(static_cast<std::size_t>(std::min(size, kTail)), '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  std::string result;
  for (const auto line : Split(text, '\n')) {
    if (Trim(line).empty()) continue;
    if (!result.empty()) result += " | ";
    result += Trim(line);
  }
  return result;
}

std::string DescribeStatus(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace perf::backends

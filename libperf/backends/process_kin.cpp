// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/process_kin.hpp"

#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace perf::backends {
namespace {

constexpr pid_t kPidEnd = 1 << 22;  // PID_MAX_LIMIT: no kernel numbers higher
// Far from any limit that somebody sets on purpose, and below RLIM_INFINITY.
constexpr KinMark kFamily = KinMark{0x5AFE} << 46;
constexpr KinMark kFamilyMask = ~((KinMark{1} << 46) - 1);

/// Process numbers are given in turn: all that are older than a new child lie before it.
pid_t NewestPid() noexcept {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  if (pid > 0)
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  return pid;
}

/// The numbers of threads answer as those of processes do; a pidfd is given for processes only.
bool IsProcess(pid_t pid) noexcept {
  const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return errno == ENOSYS || errno == EPERM;
  ::close(fd);
  return true;
}

void Collect(KinMark mark, pid_t from, pid_t to, std::vector<pid_t>& found) {
  for (pid_t pid = from; pid < to; ++pid)
    if (KinMarkOf(pid) == mark && IsProcess(pid)) found.push_back(pid);
}

}  // namespace

KinMark NewKinMark() noexcept {
  KinMark bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits)
    bits = static_cast<KinMark>(::getpid()) * 0x9E3779B97F4A7C15U;
  return kFamily | (bits & ~kFamilyMask);
}

bool TakeKinMark(KinMark mark) noexcept {
  const rlimit limit{mark, mark};
  return ::setrlimit(RLIMIT_LOCKS, &limit) == 0;
}

KinMark KinMarkOf(pid_t pid) noexcept {
  rlimit limit{};
  if (::prlimit(pid, RLIMIT_LOCKS, nullptr, &limit) != 0) return 0;
  return (limit.rlim_cur & kFamilyMask) == kFamily ? limit.rlim_cur : 0;
}

std::vector<pid_t> KinOf(KinMark mark, pid_t first) {
  std::vector<pid_t> found;
  if (mark == 0 || first <= 0) return found;
  const pid_t newest = NewestPid();
  if (newest >= first) {
    Collect(mark, first, newest, found);
  } else {  // the numbers have begun again, or there is no process to be had
    Collect(mark, first, kPidEnd, found);
    Collect(mark, 2, newest > 0 ? newest : first, found);
  }
  return found;
}

std::size_t SignalKin(KinMark mark, pid_t first, int signal) {
  const auto kin = KinOf(mark, first);
  for (const pid_t pid : kin) ::kill(pid, signal);
  return kin.size();
}

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/fork_crew.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"

namespace perf::bench {
namespace {

[[noreturn]] void BeChild(pid_t parent, std::size_t number,
                          const std::function<void(std::size_t)>& work) {
  // Its handlers set a flag of the parent; here nobody would look at it.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  int code = 0;
  try {
    work(number);
  } catch (const std::exception& error) {
    Log(LogLevel::kError, "process {}: {}", number, error.what());
    code = 1;
  }
  ::_exit(code);  // no destructors: what they would end is the parent's
}

}  // namespace

SharedMemory::SharedMemory(std::size_t bytes)
    : address_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
      bytes_(bytes) {
  if (address_ == MAP_FAILED) {
    throw IoError(fmt::format("no memory to share: {}", std::strerror(errno)));
  }
}

SharedMemory::~SharedMemory() { ::munmap(address_, bytes_); }

ForkCrew::ForkCrew(std::size_t processes, const std::function<void(std::size_t)>& work) {
  const pid_t parent = ::getpid();
  for (std::size_t number = 0; number < processes; ++number) {
    const pid_t child = ::fork();
    if (child == 0) BeChild(parent, number, work);
    if (child < 0) {
      const int error = errno;
      for (const pid_t other : running_) ::kill(other, SIGKILL);
      Await(Deadline::Never());
      throw IoError(fmt::format("no child: {}", std::strerror(error)));
    }
    running_.push_back(child);
  }
}

ForkCrew::~ForkCrew() {
  for (const pid_t child : running_) ::kill(child, SIGKILL);
  Await(Deadline::Never());
}

ForkCrew::Ends ForkCrew::Await(Deadline deadline) {
  // Polled: waitpid has no deadline, and signals are the program's.
  while (!running_.empty()) {
    for (std::size_t i = 0; i < running_.size();) {
      int status = 0;
      const pid_t ended = ::waitpid(running_[i], &status, WNOHANG);
      if (ended == 0 || (ended < 0 && errno == EINTR)) {
        ++i;
        continue;
      }
      const bool exited = ended > 0 && WIFEXITED(status);
      ++(!exited ? ends_.crashed : WEXITSTATUS(status) == 0 ? ends_.well : ends_.failed);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (running_.empty() || deadline.Passed(Clock::now())) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  Ends now = ends_;
  now.running = running_.size();
  return now;
}

}  // namespace perf::bench

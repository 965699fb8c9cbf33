// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/signals.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "libperf/base/error.hpp"

namespace perf::service {

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd_ < 0) throw IoError(fmt::format("cannot wait for signals: {}", std::strerror(errno)));
  ::pthread_sigmask(SIG_BLOCK, &set, &before_);
}

Signals::~Signals() {
  LetGo();
  ::close(fd_);
}

void Signals::LetGo() noexcept {
  if (held_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  held_ = false;
}

std::optional<Asked> Signals::Await(Deadline deadline) {
  for (;;) {
    signalfd_siginfo info{};
    if (::read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      return info.ssi_signo == SIGHUP ? Asked::kReload : Asked::kStop;
    }
    const TimePoint now = Clock::now();
    if (deadline.Passed(now)) return std::nullopt;
    // Rounded up: 0 would spin through the last millisecond.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.Remaining(now));
    pollfd watched{fd_, POLLIN, 0};
    ::poll(&watched, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
  }
}

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/forked_acquire.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "libperf/base/error.hpp"

namespace perf::bench {
namespace {

struct Answer {
  std::uint8_t lent = 0;
  std::uint8_t cause = 0;
  double ms = 0;
};

[[noreturn]] void BeChild(pool::BlockingPool& pool, Duration patience, int out) {
  Answer answer;
  const TimePoint before = Clock::now();
  const auto lent = pool.Acquire(Deadline::After(before, patience));
  answer.ms = ToMs(Clock::now() - before);
  answer.lent = lent.loan ? 1 : 0;
  answer.cause = static_cast<std::uint8_t>(lent.refusal.cause);
  const bool told = ::write(out, &answer, sizeof answer) == sizeof answer;
  ::_exit(told ? 0 : 1);  // no destructors: what they would end is the parent's
}

}  // namespace

ForkedAcquire AcquireInChild(pool::BlockingPool& pool, Duration patience) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw IoError(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  const pid_t child = ::fork();
  if (child == 0) BeChild(pool, patience, ends[1]);
  const int error = errno;
  ::close(ends[1]);
  ForkedAcquire result;
  if (child > 0) {
    pollfd wait{ends[0], POLLIN, 0};
    Answer answer;
    result.answered = ::poll(&wait, 1, static_cast<int>(2 * ToMs(patience))) == 1 &&
                      ::read(ends[0], &answer, sizeof answer) == sizeof answer;
    if (!result.answered) ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    result.lent = answer.lent != 0;
    result.cause = static_cast<pool::Cause>(answer.cause);
    result.ms = answer.ms;
  }
  ::close(ends[0]);
  if (child < 0) throw IoError(fmt::format("no child: {}", std::strerror(error)));
  return result;
}

}  // namespace perf::bench

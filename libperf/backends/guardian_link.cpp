// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/guardian_link.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "libperf/backends/guardian.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

/// The guardian watches the same deadline and can say what was late: let it speak first.
constexpr auto kGrace = 500ms;

/// True where something can be read from `fd`, its end included.
bool AwaitReadable(int fd, Deadline deadline) noexcept {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline.Remaining(Clock::now()));
    pollfd poll_fd{fd, POLLIN, 0};
    const int n =
        ::poll(&poll_fd, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (n > 0) return true;
    if (n == 0 && deadline.Passed(Clock::now())) return false;
    if (n < 0 && errno != EINTR) return false;
  }
}

std::size_t Index(std::string_view text) {
  return static_cast<std::size_t>(ParseInteger(text).value_or(0));
}

}  // namespace

GuardianLink::~GuardianLink() { ::close(channel_); }

std::optional<std::string> GuardianLink::ReadLine(Deadline deadline) {
  std::array<char, 4096> buffer;
  for (;;) {
    if (const std::size_t end = rest_.find('\n'); end != std::string::npos) {
      std::string line = rest_.substr(0, end);
      rest_.erase(0, end + 1);
      return line;
    }
    if (!AwaitReadable(channel_, deadline)) return std::nullopt;
    const ssize_t n = ::recv(channel_, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw IoError("the guardian of the private servers has ended");
    rest_.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

void GuardianLink::Request(std::string_view what, Deadline deadline) {
  {
    std::unique_lock lock(mutex_);
    if (!free_.wait_until(lock, deadline.At(), [this] { return !busy_; }))
      throw IoError("another action on the private servers was not done in time");
    busy_ = true;
  }
  // Not under the lock: Pid must not wait for an action.
  const auto release = [this] {
    const std::lock_guard lock(mutex_);
    busy_ = false;
    free_.notify_one();
  };
  try {
    Converse(what, deadline);
  } catch (...) {
    release();
    throw;
  }
  release();
}

void GuardianLink::Converse(std::string_view what, Deadline deadline) {
  const std::string number = std::to_string(++requests_);
  const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline.Remaining(Clock::now()));
  const std::string line = fmt::format("{}\t{}\t{}\n", number, left.count(), what);
  if (::send(channel_, line.data(), line.size(), MSG_NOSIGNAL) < 0)
    throw IoError("the guardian of the private servers has ended");
  const Deadline last = Deadline(Saturated(deadline.At(), kGrace));
  while (const auto answer = ReadLine(last))
    if (Take(*answer, number)) return;
  throw IoError("the action on the private servers was not done in time");
}

bool GuardianLink::Take(std::string_view line, std::string_view number) {
  const auto parts = Split(line, '\t');
  if (parts[0] == kSaysPid) {
    SetPid(Index(parts.at(1)), Index(parts.at(2)),
           static_cast<pid_t>(ParseInteger(parts.at(3)).value_or(-1)));
  }
  // The end of an earlier one that was waited for too short a time is nobody's.
  if (parts.size() < 2 || parts[1] != number) return false;
  if (parts[0] == kSaysFailed) throw IoError(std::string(parts.at(2)));
  return parts[0] == kSaysDone;
}

bool GuardianLink::End(Duration patience) noexcept {
  // Not only close: a process that was forked from this one may hold the same socket.
  ::shutdown(channel_, SHUT_WR);
  // The guardian's end closes when it has removed everything and ended.
  const Deadline deadline = Deadline::After(Clock::now(), patience);
  std::array<char, 256> rest;
  bool more = true;
  while (more && AwaitReadable(channel_, deadline))
    more = ::recv(channel_, rest.data(), rest.size(), 0) > 0;
  return !more;
}

pid_t GuardianLink::Pid(std::size_t target, std::size_t node) const {
  const std::lock_guard lock(mutex_);
  const auto it = pids_.find({target, node});
  return it == pids_.end() ? -1 : it->second;
}

void GuardianLink::SetPid(std::size_t target, std::size_t node, pid_t pid) {
  const std::lock_guard lock(mutex_);
  pids_[{target, node}] = pid;
}

}  // namespace perf::backends

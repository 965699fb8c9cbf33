// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string_view>

namespace perf::monitor::alerts {
namespace {

using namespace std::chrono_literals;

/// Text as a file that is already written: no pipe that could fill and no one to feed it.
class InputFile {
 public:
  explicit InputFile(std::string_view text) : fd_(::memfd_create("alerts", MFD_CLOEXEC)) {
    while (fd_ >= 0 && !text.empty()) {
      const ssize_t wrote = ::write(fd_, text.data(), text.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    good_ = fd_ >= 0 && ::lseek(fd_, 0, SEEK_SET) == 0;
  }
  ~InputFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  bool Good() const noexcept { return good_; }
  int Descriptor() const noexcept { return fd_; }

 private:
  int fd_;
  bool good_ = false;
};

/// A child and its process group; killed and reaped at the latest when this ends.
class Child {
 public:
  Child(const std::vector<std::string>& arguments, const InputFile& input) {
    std::vector<char*> raw;
    for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.data()));
    raw.push_back(nullptr);
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char* environment[] = {path, nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.Descriptor(), 0);
    ::posix_spawn_file_actions_adddup2(&actions, 2, 1);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error_ = ::posix_spawn(&pid_, raw[0], &actions, &attributes, raw.data(), environment);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error_ != 0) pid_ = -1;
  }
  ~Child() {
    if (pid_ < 0) return;
    Signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int Error() const noexcept { return error_; }
  /// To its group, and to itself, for it may have left that.
  void Signal(int signal) const noexcept {
    ::kill(-pid_, signal);
    ::kill(pid_, signal);
  }
  /// Its wait status once it has ended.
  std::optional<int> Ended() noexcept {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    // Where the program ignores SIGCHLD nobody learns how its children ended: that counts as well.
    const bool unknown = ended < 0 && errno == ECHILD;
    if (ended != pid_ && !unknown) return std::nullopt;
    // What it left running in its group must not outlive it.
    ::kill(-pid_, SIGKILL);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int error_ = 0;
};

}  // namespace

Task<void> RunCommand(backends::EventLoop& loop, const std::vector<std::string>& arguments,
                      const std::string& input, Deadline deadline, std::string& error) {
  const InputFile file(input);
  if (!file.Good()) {
    error = fmt::format("no memory for the input of {}", arguments[0]);
    co_return;
  }
  Child child(arguments, file);
  if (child.Error() != 0) {
    error = fmt::format("cannot run {}: {}", arguments[0], ::strerrordesc_np(child.Error()));
    co_return;
  }
  // Commands are rare: looking now and then costs less code than a descriptor for each.
  Duration pause = 1ms;
  std::optional<TimePoint> kill_at;
  for (;;) {
    if (const auto status = child.Ended()) {
      if (kill_at) {
        error = fmt::format("{} did not end in time", arguments[0]);
      } else if (WIFSIGNALED(*status)) {
        error = fmt::format("{} was ended by signal {}", arguments[0], WTERMSIG(*status));
      } else if (WEXITSTATUS(*status) != 0) {
        error = fmt::format("{} exited with {}", arguments[0], WEXITSTATUS(*status));
      }
      co_return;
    }
    const TimePoint now = Clock::now();
    if (loop.Cancelled() || (kill_at && now >= *kill_at)) {
      error = fmt::format("{} did not end in time", arguments[0]);
      co_return;  // the child's destructor kills it
    }
    if (!kill_at && deadline.Passed(now)) {
      child.Signal(SIGTERM);
      kill_at = now + 1s;
    }
    co_await loop.SleepUntil(now + pause);
    pause = std::min<Duration>(pause * 2, 50ms);
  }
}

}  // namespace perf::monitor::alerts

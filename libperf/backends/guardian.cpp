// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/guardian.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/guardian_process.hpp"
#include "libperf/backends/private_directory.hpp"
#include "libperf/backends/server_plan.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

/// Between two looks at whether a server is ready; initdb's end is not looked for, it is told.
constexpr auto kReadyStep = 5ms;

/// A preparation is left to end by itself: initdb's helpers, when killed, leave shared memory
/// behind that nobody frees.
const std::vector<StopStep> kStopPreparation = {{0, 5s}, {SIGTERM, 1s}, {SIGKILL, 1s}};

/// One server and where it stands between its first stage and its end.
struct Server {
  ServerPlan plan;
  std::size_t stage = 0;
  pid_t pid = -1;  // -1: nothing runs
  bool ready = false;
  std::size_t stop_step = 0;
  TimePoint next_stop{};

  bool Serves() const noexcept { return stage + 1 == plan.stages.size(); }
};

class Guardian {
 public:
  Guardian(int channel, pid_t parent) noexcept : channel_(channel), parent_(parent) {}

  void Start(std::span<const PrivateSpec> specs, const PrivateOptions& options);
  void AwaitReady(Deadline deadline);
  void AwaitEnd();
  void StopAll() noexcept;
  void Say(std::string_view what, std::string_view text) const noexcept;

 private:
  void Launch(Server& server);
  /// Sleeps until a signal, the end of the parent, or `timeout` (negative: none).
  void Turn(Duration timeout);
  void Drain(int signals);
  void Reap();
  bool AnyAlive() const noexcept;
  [[noreturn]] void Fail(const Server& server, std::string_view why) const;

  int channel_;
  pid_t parent_;
  int signals_ = -1;
  bool running_ = false;
  bool ending_ = false;
  std::vector<Server> servers_;
  std::string directory_;
  std::optional<PrivateDirectory> place_;
};

void Guardian::Start(std::span<const PrivateSpec> specs, const PrivateOptions& options) {
  signals_ = BlockSignals();
  BecomeUnprivileged(options.user);
  // The death of our parent's thread only makes us look: a program may end the thread that
  // called us and go on. Set after the change of user, which clears it.
  ::prctl(PR_SET_PDEATHSIG, SIGUSR1);
  if (::getppid() != parent_)
    throw UnreachableError("the program ended while servers were started");

  const std::string parent = TemporaryParent(options.temporary);
  for (const auto& place : std::set<std::string>{parent, "/tmp", "/dev/shm"})
    PrivateDirectory::Sweep(place);
  place_ = PrivateDirectory::Create(parent);
  directory_ = place_->Path();
  Say(kSaysDirectory, directory_);
  if (::chdir(directory_.c_str()) != 0) throw UnreachableError("cannot enter " + directory_);

  ServerSite site{directory_, options.search_path, 0};
  for (const auto& spec : specs) {
    servers_.push_back(Server{PlanServer(spec, site)});
    ++site.index;
  }
  for (auto& server : servers_) Launch(server);
}

void Guardian::Launch(Server& server) {
  const auto& command = server.plan.stages[server.stage];
  server.pid = Spawn(command, directory_, server.plan.place, server.plan.death_signal);
  if (server.pid < 0) Fail(server, "cannot start a process");
  if (command.descriptor >= 0) ::close(command.descriptor);
}

void Guardian::Fail(const Server& server, std::string_view why) const {
  const std::string tail = LogTail(fmt::format("{}/{}.log", directory_, server.plan.place));
  throw UnreachableError(fmt::format("{}: {}{}{}", server.plan.label, why,
                                     tail.empty() ? "" : "; its log ends: ", tail));
}

void Guardian::Drain(int signals) {
  signalfd_siginfo info{};
  while (::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGTERM) ending_ = true;
    if (info.ssi_signo == SIGUSR1 && ::getppid() != parent_) ending_ = true;
  }
}

void Guardian::Reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto it = std::find_if(servers_.begin(), servers_.end(),
                                 [pid](const Server& server) { return server.pid == pid; });
    if (it == servers_.end()) continue;
    it->pid = -1;
    // Once the run has begun, a server that dies is what a target that dies is: the run's matter.
    if (ending_ || running_) continue;
    if (it->Serves()) Fail(*it, fmt::format("it ended at once, {}", DescribeStatus(status)));
    if (status != 0) Fail(*it, fmt::format("its preparation failed, {}", DescribeStatus(status)));
    ++it->stage;
    Launch(*it);
  }
}

void Guardian::Turn(Duration timeout) {
  pollfd fds[2] = {{channel_, POLLIN, 0}, {signals_, POLLIN, 0}};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  const int n = ::poll(fds, 2, timeout < 0ns ? -1 : static_cast<int>(ms));
  if (n > 0 && fds[0].revents != 0) ending_ = true;  // nothing but the end is ever sent
  if (n > 0 && fds[1].revents != 0) Drain(signals_);
  Reap();
}

void Guardian::AwaitReady(Deadline deadline) {
  const auto ready = [](const Server& server) { return server.ready; };
  while (!std::all_of(servers_.begin(), servers_.end(), ready)) {
    const auto late = std::find_if_not(servers_.begin(), servers_.end(), ready);
    if (deadline.Passed(Clock::now())) Fail(*late, "it was not ready in time");
    Turn(kReadyStep);
    if (ending_) return;
    for (auto& server : servers_)
      if (!server.ready && server.Serves()) server.ready = server.plan.ready();
  }
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    Say(kSaysTarget, fmt::format("{}\t{}", i, servers_[i].plan.url));
    Say(kSaysNode, fmt::format("{}\tprimary\t{}", i, servers_[i].plan.url));
    Say(kSaysPid, fmt::format("{}\t0\t{}", i, servers_[i].pid));
  }
  running_ = true;
  Say(kSaysReady, "");
}

void Guardian::AwaitEnd() {
  while (!ending_) Turn(-1ns);
}

bool Guardian::AnyAlive() const noexcept {
  return std::any_of(servers_.begin(), servers_.end(),
                     [](const Server& server) { return server.pid > 0; });
}

void Guardian::StopAll() noexcept {
  ending_ = true;
  while (AnyAlive()) {
    const TimePoint now = Clock::now();
    TimePoint wake = now + 1s;
    for (auto& server : servers_) {
      if (server.pid <= 0) continue;
      if (server.next_stop <= now) {
        const auto& steps = server.Serves() ? server.plan.stop : kStopPreparation;
        if (server.stop_step == steps.size()) {
          server.pid = -1;  // not even SIGKILL ends it: waiting longer would not either
          continue;
        }
        const StopStep& step = steps[server.stop_step++];
        ::kill(-server.pid, step.signal);
        ::kill(-server.pid, SIGCONT);  // a stopped one would not notice
        server.next_stop = now + step.patience;
      }
      wake = std::min(wake, server.next_stop);
    }
    pollfd fd = {signals_, POLLIN, 0};
    ::poll(&fd, 1,
           static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wake - now).count()));
    Drain(signals_);
    Reap();
  }
  if (place_) {
    if (::chdir("/") != 0) ending_ = true;
    place_->Remove();
  }
}

void Guardian::Say(std::string_view what, std::string_view text) const noexcept {
  try {
    std::string line = fmt::format("{}\t{}", what, text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    line += '\n';
    // Short enough for the socket's buffer: cannot block. A parent that is gone is told nothing.
    (void)!::send(channel_, line.data(), line.size(), MSG_NOSIGNAL);
  } catch (const std::exception&) {
    ::_exit(1);
  }
}

}  // namespace

void RunGuardian(int channel, pid_t parent, std::span<const PrivateSpec> specs, Deadline deadline,
                 const PrivateOptions& options) noexcept {
  // A session of its own: the terminal's SIGINT and SIGHUP go to the foreground group only.
  ::setsid();
  ::umask(077);
  ::prctl(PR_SET_NAME, "perfkit-guard");
  Guardian guardian(Isolate(channel), parent);
  try {
    guardian.Start(specs, options);
    guardian.AwaitReady(deadline);
    guardian.AwaitEnd();
  } catch (const std::exception& error) {
    guardian.Say(kSaysError, error.what());
  }
  guardian.StopAll();
  ::_exit(0);
}

}  // namespace perf::backends

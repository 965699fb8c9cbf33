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
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "libperf/backends/guardian_process.hpp"
#include "libperf/backends/guardian_state.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

/// Between two looks at whether a server is ready; initdb's end is not looked for, it is told.
constexpr auto kReadyStep = 5ms;

/// A preparation is left to end by itself: initdb's helpers, when killed, leave shared memory
/// behind that nobody frees.
const std::vector<StopStep> kStopPreparation = {{0, 5s}, {SIGTERM, 1s}, {SIGKILL, 1s}};

}  // namespace

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
    Target& target = targets_.emplace_back();
    target.plan = PlanTarget(spec, site);
    target.index = static_cast<std::size_t>(site.index++);
    target.place = fmt::format("task{}", target.index);
    for (ServerPlan& plan : target.plan.nodes) {
      Server& server = target.servers.emplace_back();
      server.plan = std::move(plan);
      server.mark = NewKinMark();
    }
    target.servers.front().was_primary = true;
  }
}

void Guardian::Launch(Server& server) {
  const auto& command = server.plan.stages[server.stage];
  server.launched = true;
  server.pid =
      Spawn(command, {directory_, server.plan.place, server.plan.death_signal, server.mark});
  if (server.pid < 0) Fail(server.plan.label, server.plan.place, "cannot start a process");
  if (server.stage == 0) server.first = server.pid;
  if (command.descriptor >= 0) ::close(command.descriptor);
}

void Guardian::StartErrand(Target& target, std::function<void()> run) {
  ServerCommand command;
  command.run = std::move(run);
  target.errand.pid = Spawn(command, {directory_, target.place, SIGKILL, 0});
  if (target.errand.pid < 0) Fail(target.plan.label, target.place, "cannot start a process");
}

void Guardian::Fail(const std::string& label, const std::string& place,
                    std::string_view why) const {
  const std::string tail = LogTail(fmt::format("{}/{}.log", directory_, place));
  throw UnreachableError(
      fmt::format("{}: {}{}{}", label, why, tail.empty() ? "" : "; its log ends: ", tail));
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
    for (Target& target : targets_) {
      if (target.errand.pid == pid) target.errand = {-1, status};
      for (Server& server : target.servers)
        if (server.pid == pid) Reaped(server, status);
    }
  }
}

void Guardian::Reaped(Server& server, int status) {
  server.pid = -1;
  // Once a server has begun, its death is what a target's death is: the run's matter.
  if (ending_ || server.ready) return;
  const auto& [label, place] = std::tie(server.plan.label, server.plan.place);
  if (server.Serves())
    Fail(label, place, fmt::format("it ended at once, {}", DescribeStatus(status)));
  if (status != 0)
    Fail(label, place, fmt::format("its preparation failed, {}", DescribeStatus(status)));
  ++server.stage;
  Launch(server);
}

void Guardian::Hear() {
  std::array<char, 1024> buffer;
  const ssize_t n = ::recv(channel_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n > 0) inbox_.append(buffer.data(), static_cast<std::size_t>(n));
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) ending_ = true;
}

void Guardian::Turn(Duration timeout) {
  pollfd fds[2] = {{channel_, POLLIN, 0}, {signals_, POLLIN, 0}};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  const int n = ::poll(fds, 2, timeout < 0ns ? -1 : static_cast<int>(ms));
  if (n > 0 && fds[0].revents != 0) Hear();
  if (n > 0 && fds[1].revents != 0) Drain(signals_);
  Reap();
}

bool Guardian::MayStart(const Target& target, const Server& server) const {
  const auto first = target.servers.begin();
  return std::all_of(first, first + static_cast<std::ptrdiff_t>(server.plan.after),
                     [&](const Server& earlier) {
                       return server.plan.after_ready ? earlier.ready : earlier.Running();
                     });
}

bool Guardian::Advance(Target& target) {
  bool all = true;
  for (Server& server : target.servers) {
    if (!server.launched && MayStart(target, server)) Launch(server);
    if (!server.ready && server.Running()) server.ready = server.plan.ready();
    all = all && server.ready;
  }
  if (!all || target.settled) return target.settled;
  if (!target.plan.settle) {
    target.settled = true;
  } else if (!target.settling) {
    target.settling = true;
    StartErrand(target, [&target] { target.plan.settle(0, Deadline::Never()); });
  } else if (target.errand.pid < 0) {
    if (target.errand.status != 0) Fail(target.plan.label, target.place, "its servers do not join");
    target.settled = true;
  }
  return target.settled;
}

void Guardian::AwaitReady(Deadline deadline) {
  for (;;) {
    Target* late = nullptr;
    for (Target& target : targets_)
      if (!Advance(target) && late == nullptr) late = &target;
    if (late == nullptr) break;
    if (deadline.Passed(Clock::now())) {
      const auto server = std::find_if_not(late->servers.begin(), late->servers.end(),
                                           [](const Server& one) { return one.ready; });
      if (server == late->servers.end())
        Fail(late->plan.label, late->place, "it was not ready in time");
      Fail(server->plan.label, server->plan.place, "it was not ready in time");
    }
    Turn(kReadyStep);
    if (ending_) return;
  }
  for (const Target& target : targets_) {
    Say(kSaysTarget, fmt::format("{}\t{}", target.index, target.plan.url));
    for (std::size_t node = 0; node < target.servers.size(); ++node) {
      const ServerPlan& plan = target.servers[node].plan;
      Say(kSaysNode, fmt::format("{}\t{}\t{}", target.index, plan.role, plan.url));
      SayPid(target, node);
    }
  }
  Say(kSaysReady, "");
}

void Guardian::SayPid(const Target& target, std::size_t node) const noexcept {
  Say(kSaysPid, fmt::format("{}\t{}\t{}", target.index, node, target.servers[node].pid));
}

bool Guardian::AnyAlive() const noexcept {
  return std::any_of(targets_.begin(), targets_.end(), [](const Target& target) {
    return std::any_of(target.servers.begin(), target.servers.end(),
                       [](const Server& server) { return server.pid > 0; });
  });
}

TimePoint Guardian::StepDown(Server& server, TimePoint now) noexcept {
  if (server.next_stop > now) return server.next_stop;
  const auto& steps = server.Serves() ? server.plan.stop : kStopPreparation;
  if (server.stop_step == steps.size()) {
    server.pid = -1;  // not even SIGKILL ends it: waiting longer would not either
    return now;
  }
  const StopStep& step = steps[server.stop_step++];
  if (server.stopped) Continue(server);
  ::kill(-server.pid, step.signal);
  ::kill(-server.pid, SIGCONT);  // a stopped one would not notice
  if (step.signal == SIGKILL) SignalKin(server.mark, server.first, SIGKILL);
  return server.next_stop = now + step.patience;
}

void Guardian::StopAll() noexcept {
  ending_ = true;
  for (const Target& target : targets_)
    if (target.errand.pid > 0) ::kill(-target.errand.pid, SIGKILL);
  while (AnyAlive()) {
    const TimePoint now = Clock::now();
    TimePoint wake = now + 1s;
    for (Target& target : targets_)
      for (Server& server : target.servers)
        if (server.pid > 0) wake = std::min(wake, StepDown(server, now));
    pollfd fd = {signals_, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wake - now).count();
    ::poll(&fd, 1, static_cast<int>(ms));
    Drain(signals_);
    Reap();
  }
  for (const Target& target : targets_)
    for (const Server& server : target.servers)
      if (server.plan.bury) server.plan.bury();
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

void RunGuardian(int channel, pid_t parent, std::span<const PrivateSpec> specs, Deadline deadline,
                 const PrivateOptions& options) noexcept {
  // A session of its own: the terminal's SIGINT and SIGHUP go to the foreground group only.
  ::setsid();
  ::umask(077);
  ::prctl(PR_SET_NAME, "perfkit-guard");
  // What a killed server leaves becomes ours, so that its end can be known.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  Guardian guardian(Isolate(channel), parent);
  try {
    guardian.Start(specs, options);
    guardian.AwaitReady(deadline);
    guardian.Serve();
  } catch (const std::exception& error) {
    guardian.Say(kSaysError, error.what());
  }
  guardian.StopAll();
  ::_exit(0);
}

}  // namespace perf::backends

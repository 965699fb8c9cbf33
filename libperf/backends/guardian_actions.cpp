// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <utility>

#include "libperf/backends/guardian.hpp"
#include "libperf/backends/guardian_process.hpp"
#include "libperf/backends/guardian_state.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

constexpr auto kStep = 2ms;

}  // namespace

void Guardian::Serve() {
  while (!ending_) {
    while (const auto request = NextRequest()) {
      Perform(*request);
      if (ending_) return;
    }
    Turn(-1ns);
  }
}

std::optional<Guardian::Request> Guardian::NextRequest() {
  const std::size_t end = inbox_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  const std::string line = inbox_.substr(0, end);
  inbox_.erase(0, end + 1);
  const auto parts = Split(line, '\t');
  const auto number = [&](std::size_t part) { return ParseInteger(parts.at(part)).value_or(0); };
  std::optional<std::size_t> node;
  if (parts.at(3) != "-") node = static_cast<std::size_t>(number(3));
  return Request{std::string(parts.at(0)),
                 Deadline::After(Clock::now(), std::chrono::milliseconds(number(1))),
                 &targets_.at(static_cast<std::size_t>(number(2))), node,
                 static_cast<ServerAction>(number(4))};
}

void Guardian::Perform(const Request& request) {
  Target& target = *request.target;
  try {
    const std::size_t node = Choose(request);
    switch (request.action) {
      case ServerAction::kKill: Kill(target, node, request.deadline); break;
      case ServerAction::kStop: StopServer(target.servers[node]); break;
      case ServerAction::kContinue:
        for (std::size_t i = 0; i < target.servers.size(); ++i)
          if (!request.node || i == node) Continue(target.servers[i]);
        break;
      case ServerAction::kRestart: Restart(target, node, request.deadline); break;
      case ServerAction::kPromote: Promote(target, node, request.deadline); break;
    }
    Say(kSaysDone, request.number);
  } catch (const std::exception& error) {
    Say(kSaysFailed, fmt::format("{}\t{}", request.number, error.what()));
  }
}

std::size_t Guardian::Primary(const Target& target) const {
  if (!target.plan.elected) return target.primary;
  return target.plan.elected().value_or(target.primary);
}

std::size_t Guardian::ToRestart(const Target& target) const {
  const auto& servers = target.servers;
  const std::size_t primary = Primary(target);
  for (std::size_t i = 0; i < servers.size(); ++i)
    if (servers[i].pid <= 0) return i;
  for (std::size_t i = 0; i < servers.size(); ++i)
    if (servers[i].was_primary && i != primary) return i;
  return primary;
}

std::size_t Guardian::Choose(const Request& request) const {
  const Target& target = *request.target;
  if (request.node) return *request.node;
  if (request.action == ServerAction::kRestart) return ToRestart(target);
  if (request.action != ServerAction::kPromote) return Primary(target);
  for (std::size_t i = 0; i < target.servers.size(); ++i) {
    const Server& server = target.servers[i];
    if (i != Primary(target) && server.Running() && !server.stopped) return i;
  }
  throw IoError(target.plan.label + ": no replica of it lives");
}

void Guardian::Wait(Deadline deadline, std::string_view what) {
  if (deadline.Passed(Clock::now())) throw IoError(fmt::format("{} in time", what));
  Turn(kStep);
  if (ending_) throw IoError("the run has ended");
}

void Guardian::Kill(Target& target, std::size_t node, Deadline deadline) {
  Server& server = target.servers[node];
  if (server.pid <= 0) throw IoError(server.plan.label + ": it is down already");
  // First the one that could make more of them.
  ::kill(server.pid, SIGKILL);
  ::kill(-server.pid, SIGKILL);
  SignalKin(server.mark, server.first, SIGKILL);
  const std::string late = server.plan.label + ": its processes did not end";
  while (server.pid > 0) Wait(deadline, late);
  while (SignalKin(server.mark, server.first, SIGKILL) > 0) Wait(deadline, late);
  server.stopped = false;
  if (server.plan.bury) server.plan.bury();
  SayPid(target, node);
}

void Guardian::StopServer(Server& server) {
  if (server.pid <= 0) throw IoError(server.plan.label + ": it is down");
  server.stopped = true;
  ::kill(server.pid, SIGSTOP);
  // Whatever it still forked before it stood still is seen by the second look.
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(server.pid), &info, WSTOPPED | WEXITED | WNOWAIT);
  ::kill(-server.pid, SIGSTOP);
  SignalKin(server.mark, server.first, SIGSTOP);
}

void Guardian::Continue(Server& server) {
  if (server.pid <= 0 || !server.stopped) return;
  server.stopped = false;
  SignalKin(server.mark, server.first, SIGCONT);
  ::kill(-server.pid, SIGCONT);
}

void Guardian::ShutDown(Target& target, std::size_t node, Deadline deadline) {
  Server& server = target.servers[node];
  server.stop_step = 0;
  server.next_stop = {};
  while (server.pid > 0) {
    StepDown(server, Clock::now());
    if (server.pid > 0) Wait(deadline, server.plan.label + ": it did not end");
  }
  if (server.plan.bury) server.plan.bury();
  SayPid(target, node);
}

void Guardian::Restart(Target& target, std::size_t node, Deadline deadline) {
  Server& server = target.servers[node];
  ShutDown(target, node, deadline);
  Comeback comeback;
  if (!target.plan.elected && target.primary != node && target.plan.promote) {
    comeback.primary = target.primary;
    comeback.diverged = server.was_primary;
  }
  server.plan.stages = server.plan.again(comeback);
  server.stage = 0;
  server.stop_step = 0;
  server.next_stop = {};
  server.ready = false;
  try {
    Launch(server);
    const auto& ready = server.plan.answers ? server.plan.answers : server.plan.ready;
    while (!server.ready) {
      Wait(deadline, server.plan.label + ": it was not ready");
      if (server.Running()) server.ready = ready();
    }
  } catch (const std::exception&) {
    server.ready = true;  // its end is no longer a failed start, whatever it does from now on
    throw;
  }
  // What it was is undone only now: a failed attempt is begun anew.
  if (comeback.primary) server.was_primary = false;
  SayPid(target, node);
  const bool whole = std::all_of(target.servers.begin(), target.servers.end(),
                                 [](const auto& one) { return one.Running() && !one.stopped; });
  if (!target.plan.settle || !target.plan.settles_again || !whole) return;
  RunErrand(
      target, "its servers do not join",
      [&target, deadline] { target.plan.settle(target.primary, deadline); }, deadline);
}

void Guardian::Promote(Target& target, std::size_t node, Deadline deadline) {
  if (!target.plan.promote) throw IoError(target.plan.label + ": it has no replica");
  const Server& server = target.servers[node];
  if (!server.Running()) throw IoError(server.plan.label + ": it is down");
  RunErrand(
      target, "it was not promoted",
      [&target, node, deadline] { target.plan.promote(node, deadline); }, deadline);
  if (target.plan.elected) return;
  target.primary = node;
  target.servers[node].was_primary = true;
}

void Guardian::RunErrand(Target& target, std::string_view what, std::function<void()> run,
                         Deadline deadline) {
  StartErrand(target, std::move(run));
  try {
    while (target.errand.pid > 0) Wait(deadline, fmt::format("{}: {}", target.plan.label, what));
  } catch (const std::exception&) {
    if (target.errand.pid > 0) ::kill(-target.errand.pid, SIGKILL);
    throw;
  }
  if (target.errand.status == 0) return;
  Fail(target.plan.label, target.place, what);
}

}  // namespace perf::backends

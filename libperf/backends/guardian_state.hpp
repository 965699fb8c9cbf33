// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/private_directory.hpp"
#include "libperf/backends/process_kin.hpp"
#include "libperf/backends/server_plan.hpp"

namespace perf::backends {

/// The guardian's knowledge and its loop. One thread; blocks only in Turn, which sees the end of
/// the program that it serves. guardian.cpp has its life, guardian_actions.cpp what it is asked.
class Guardian {
 public:
  Guardian(int channel, pid_t parent) noexcept : channel_(channel), parent_(parent) {}

  void Start(std::span<const PrivateSpec> specs, const PrivateOptions& options);
  void AwaitReady(Deadline deadline);
  /// Does what is asked until the end.
  void Serve();
  void StopAll() noexcept;
  void Say(std::string_view what, std::string_view text) const noexcept;

 private:
  /// One server and where it stands between its first stage and its end.
  struct Server {
    ServerPlan plan;
    KinMark mark = 0;
    std::size_t stage = 0;
    pid_t pid = -1;    // -1: nothing runs
    pid_t first = -1;  // of this start: its kin are younger
    bool launched = false;
    bool ready = false;
    bool stopped = false;  // by SIGSTOP
    bool was_primary = false;
    std::size_t stop_step = 0;
    TimePoint next_stop{};

    bool Serves() const noexcept { return stage + 1 == plan.stages.size(); }
    bool Running() const noexcept { return pid > 0 && Serves(); }
  };
  /// A function that runs in a child for a target.
  struct Errand {
    pid_t pid = -1;
    int status = 0;
  };
  struct Target {
    TargetPlan plan;  // its nodes are in `servers`
    std::size_t index = 0;
    std::vector<Server> servers;
    std::size_t primary = 0;  // the node
    std::string place;        // of errands
    Errand errand;
    bool settling = false;
    bool settled = false;
  };
  struct Request {
    std::string number;
    Deadline deadline;
    Target* target;
    std::optional<std::size_t> node;
    ServerAction action;
  };

  void Launch(Server& server);
  /// Starts what may start, asks who is ready; true when all of it is.
  bool Advance(Target& target);
  bool MayStart(const Target& target, const Server& server) const;
  void StartErrand(Target& target, std::function<void()> run);
  /// Sleeps until a signal, a request, the end of the parent, or `timeout` (negative: none).
  void Turn(Duration timeout);
  void Hear();
  void Drain(int signals);
  void Reap();
  void Reaped(Server& server, int status);
  bool AnyAlive() const noexcept;
  /// One step towards the end of a server; when the next one is due.
  TimePoint StepDown(Server& server, TimePoint now) noexcept;
  void SayPid(const Target& target, std::size_t node) const noexcept;
  [[noreturn]] void Fail(const std::string& label, const std::string& place,
                         std::string_view why) const;

  std::optional<Request> NextRequest();
  void Perform(const Request& request);
  std::size_t Choose(const Request& request) const;
  std::size_t ToRestart(const Target& target) const;
  std::size_t Primary(const Target& target) const;
  void Kill(Target& target, std::size_t node, Deadline deadline);
  void StopServer(Server& server);
  void Continue(Server& server);
  void ShutDown(Target& target, std::size_t node, Deadline deadline);
  void Restart(Target& target, std::size_t node, Deadline deadline);
  void Promote(Target& target, std::size_t node, Deadline deadline);
  /// Runs it in a child to its end. Throws: IoError with what it threw.
  void RunErrand(Target& target, std::string_view what, std::function<void()> run,
                 Deadline deadline);
  /// A Turn within an action. Throws: IoError at the deadline or the run's end.
  void Wait(Deadline deadline, std::string_view what);

  int channel_;
  pid_t parent_;
  int signals_ = -1;
  bool running_ = false;
  bool ending_ = false;
  std::vector<Target> targets_;
  std::string inbox_;
  std::string directory_;
  std::optional<PrivateDirectory> place_;
};

}  // namespace perf::backends

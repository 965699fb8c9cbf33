// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/clock.hpp"

namespace perf::backends {

/// What the guardian runs as a child: a program, or a function of this one.
struct ServerCommand {
  std::vector<std::string> argv;  // argv[0] is an absolute path
  std::function<void()> run;      // where set, instead of argv; what it throws is logged
  int descriptor = -1;            // given to `run`; closed in the guardian once the child has it
};

struct StopStep {
  int signal;
  Duration patience;  // until the next step
};

/// Whom a server follows when it is started again.
struct Comeback {
  std::optional<std::size_t> primary;  // as whose replica: a node of its target
  bool diverged = false;               // it was a primary itself: its data is not that one's past
};

/// How one server is started, known to be ready, and stopped.
struct ServerPlan {
  std::string label;  // for messages: "target db: PostgreSQL"
  std::string place;  // stem of its files: PLACE/, PLACE.log, PLACE.lock
  std::string url;
  std::string role = "primary";       // or "replica", "sentinel"
  std::vector<ServerCommand> stages;  // all but the last must end with status 0
  std::function<bool()> ready;        // cheap and never blocking for long: asked every few ms
  int death_signal = 0;               // when the guardian dies
  std::vector<StopStep> stop;
  std::size_t after = 0;    // so many of its target's first nodes come before it …
  bool after_ready = true;  // … and are ready; false: and have passed their preparation
  /// The stages of a new start after its end.
  std::function<std::vector<ServerCommand>(const Comeback&)> again;
  std::function<bool()> answers;  // ready after a new start; where not set, as `ready`
  std::function<void()> bury;     // frees what a crash leaves; also called after an orderly end
};

/// One target: its nodes, and what they need to become one thing.
/// `settle` and `promote` are run in children and throw where they fail.
struct TargetPlan {
  std::string label;
  std::string url;
  std::vector<ServerPlan> nodes;
  /// Called when all answer: joins them and waits until they agree, `primary` being the node that
  /// leads.
  std::function<void(std::size_t primary, Deadline deadline)> settle;
  bool settles_again = true;  // also after a new start of one of them
  std::function<void(std::size_t node, Deadline deadline)> promote;
  /// Where the servers themselves elect it: the node that leads now. Quick.
  std::function<std::optional<std::size_t>()> elected;
};

/// Where a plan's server lives.
struct ServerSite {
  std::string directory;
  std::string search_path;  // PrivateOptions::search_path
  int index = 0;            // of the spec: makes places differ
};

/// Thread safety: none; called in the guardian, as the unprivileged user.
/// Throw: UnreachableError naming what is missing and the package that brings it.
TargetPlan PlanPostgres(const PrivateSpec& spec, const ServerSite& site);
TargetPlan PlanRedis(const PrivateSpec& spec, const ServerSite& site);
TargetPlan PlanSpeech(const PrivateSpec& spec, const ServerSite& site);
TargetPlan PlanTarget(const PrivateSpec& spec, const ServerSite& site);

/// Whether a Redis on that unix socket answers PING within 100 ms.
bool RedisAnswers(const std::string& path);

/// The first executable file of that name in directories separated by ':'.
std::optional<std::string> FindProgram(std::string_view name, std::string_view directories);
/// $PATH, and where Debian keeps servers that a user's PATH lacks.
std::string DefaultSearchPath();

}  // namespace perf::backends

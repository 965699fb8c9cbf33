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
  std::function<void()> run;      // where set, instead of argv
  int descriptor = -1;            // given to `run`; closed in the guardian once the child has it
};

struct StopStep {
  int signal;
  Duration patience;  // until the next step
};

/// How one server is started, known to be ready, and stopped.
struct ServerPlan {
  std::string label;  // for messages: "target db: PostgreSQL"
  std::string place;  // stem of its files: PLACE/, PLACE.log, PLACE.lock
  std::string url;
  std::vector<ServerCommand> stages;  // all but the last must end with status 0
  std::function<bool()> ready;        // cheap and never blocking for long: asked every few ms
  int death_signal;                   // when the guardian dies
  std::vector<StopStep> stop;
};

/// Where a plan's server lives.
struct ServerSite {
  std::string directory;
  std::string search_path;  // PrivateOptions::search_path
  int index = 0;            // of the spec: makes places differ
};

/// Thread safety: none; called in the guardian, as the unprivileged user.
/// Throw: UnreachableError naming what is missing and the package that brings it.
ServerPlan PlanPostgres(const PrivateSpec& spec, const ServerSite& site);
ServerPlan PlanRedis(const PrivateSpec& spec, const ServerSite& site);
ServerPlan PlanSpeech(const PrivateSpec& spec, const ServerSite& site);
ServerPlan PlanServer(const PrivateSpec& spec, const ServerSite& site);

/// Whether a Redis on that unix socket answers PING within 100 ms.
bool RedisAnswers(const std::string& path);

/// The first executable file of that name in directories separated by ':'.
std::optional<std::string> FindProgram(std::string_view name, std::string_view directories);
/// $PATH, and where Debian keeps servers that a user's PATH lacks.
std::string DefaultSearchPath();

}  // namespace perf::backends

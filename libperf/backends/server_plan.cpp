// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/server_plan.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {

using namespace std::chrono_literals;

TargetPlan PlanSpeech(const PrivateSpec& spec, const ServerSite& site) {
  ServerPlan plan;
  plan.label = fmt::format("target {}: the speech server", spec.name);
  plan.place = fmt::format("speech{}", site.index);
  // Listening before the fork: the port is known and connections are taken from now on.
  const Listener listener = ListenOnLoopback();
  plan.url = fmt::format("http://127.0.0.1:{}", listener.port);
  ServerCommand command;
  command.descriptor = listener.descriptor;
  command.run = [descriptor = listener.descriptor, config = spec.speech] {
    SpeechServer(config, descriptor).Run();
  };
  plan.stages.push_back(std::move(command));
  plan.again = [port = listener.port, config = spec.speech](const Comeback&) {
    ServerCommand next;
    next.run = [port, config] { SpeechServer(config, ListenOnLoopback(port).descriptor).Run(); };
    return std::vector{next};
  };
  plan.ready = [] { return true; };
  plan.death_signal = SIGKILL;
  plan.stop = {{SIGTERM, 500ms}, {SIGKILL, 1s}};
  TargetPlan target{plan.label, plan.url, {}, {}, true, {}, {}};
  target.nodes.push_back(std::move(plan));
  return target;
}

TargetPlan PlanTarget(const PrivateSpec& spec, const ServerSite& site) {
  switch (spec.kind) {
    case PrivateSpec::Kind::kPostgres: return PlanPostgres(spec, site);
    case PrivateSpec::Kind::kRedis: return PlanRedis(spec, site);
    case PrivateSpec::Kind::kSpeech: return PlanSpeech(spec, site);
  }
  throw Error("a private server of an unknown kind");
}

std::optional<std::string> FindProgram(std::string_view name, std::string_view directories) {
  for (const auto directory : Split(directories, ':')) {
    if (directory.empty()) continue;
    std::string file = fmt::format("{}/{}", directory, name);
    struct stat info{};
    if (::stat(file.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
        ::access(file.c_str(), X_OK) == 0)
      return file;
  }
  return std::nullopt;
}

std::string DefaultSearchPath() {
  const char* path = std::getenv("PATH");
  return fmt::format("{}{}/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
                     path != nullptr ? path : "", path != nullptr && *path != '\0' ? ":" : "");
}

}  // namespace perf::backends

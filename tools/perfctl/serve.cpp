// SPDX-License-Identifier: Apache-2.0
// perfctl serve, and perfctl config.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "commands.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/report/output_dir.hpp"
#include "libperf/service/agent.hpp"
#include "libperf/service/agent_config.hpp"
#include "libperf/service/sd_notify.hpp"
#include "libperf/service/signals.hpp"
#include "tools/common/exit_code.hpp"

namespace perf::tool {
namespace {

using namespace std::chrono_literals;
constexpr Duration kStart = 60s;
constexpr Duration kStop = 15s;
constexpr Duration kTurn = 500ms;

service::AgentConfig ConfigOf(const ServeCommand& command) {
  service::AgentConfig config = service::AgentConfig::Load({command.config, {}});
  const auto set = [&](const char* key, const std::string& flag, std::string& value) {
    if (flag.empty()) return;
    value = flag;
    for (service::EffectiveSetting& one : config.effective) {
      if (one.key == key) one.value = flag, one.origin = "command line";
    }
  };
  if (!command.listen.empty() && !service::ParseAddress(command.listen)) {
    throw UsageError(fmt::format(
        "--listen {}: expected HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464", command.listen));
  }
  set("service.listen", command.listen, config.listen);
  set("service.tokens", command.token_file, config.tokens);
  set("service.certificate", command.certificate, config.certificate);
  set("service.key", command.key, config.key);
  set("service.audit", command.audit, config.audit);
  set("service.run_directory", command.run_directory, config.run_directory);
  if (config.certificate.empty() != config.key.empty()) {
    throw UsageError("--tls-certificate and --tls-key belong together");
  }
  return config;
}

/// Validates first; nothing changes when the new configuration is bad.
void Reload(service::Agent& agent, const ServeCommand& command, const service::Notifier& notifier) {
  notifier.Reloading(Clock::now());
  try {
    const auto waiting = agent.Reload(ConfigOf(command), fmt::format("uid:{}", ::geteuid()));
    if (!waiting.empty()) {
      Log(LogLevel::kWarn, "these settings change with a restart: {}", fmt::join(waiting, ", "));
    }
  } catch (const Error& error) {
    Log(LogLevel::kError, "the configuration stays as it was: {}", error.what());
  }
  notifier.Ready(agent.Status());
}

}  // namespace

int Serve(const ServeCommand& command) {
  // Before any thread: those that come later leave the signals to it.
  service::Signals signals;
  const service::Notifier notifier{config::Environment()};
  service::Agent agent(ConfigOf(command), command.name);
  agent.Start(Deadline::After(Clock::now(), kStart));
  report::WriteStderr(
      fmt::format("perfctl: serving at {}{}\n", agent.Socket(),
                  agent.Listening() ? " and " + service::Text(*agent.Listening()) : std::string()));
  notifier.Ready(agent.Status());
  TimePoint seen = agent.SampledAt();
  for (;;) {
    const auto asked = signals.Await(Deadline::After(Clock::now(), kTurn));
    if (asked == service::Asked::kStop) break;
    if (asked == service::Asked::kReload) Reload(agent, command, notifier);
    const TimePoint sampled = agent.SampledAt();
    if (sampled == seen) continue;
    seen = sampled;
    notifier.Evaluated();
  }
  notifier.Stopping();
  signals.LetGo();
  const service::StopReport report = agent.Stop(Deadline::After(Clock::now(), kStop));
  for (const std::string& name : report.late) Log(LogLevel::kWarn, "{} did not stop in time", name);
  for (const std::string& why : report.failed) Log(LogLevel::kWarn, "stop of {}", why);
  // What does not come to its end must not keep the program.
  if (!report.late.empty()) std::_Exit(kPass);
  return kPass;
}

int Config(const ConfigCommand& command) {
  const service::AgentConfig config = service::AgentConfig::Load({command.config, {}});
  if (command.check) {
    report::WriteStdout(config.file.empty() ? std::string("ok: no file; defaults and environment\n")
                                            : fmt::format("ok: {}\n", config.file));
    return kPass;
  }
  if (command.json) {
    report::WriteStdout(config.Effective().Dump(2) + "\n");
    return kPass;
  }
  std::size_t width = 0;
  for (const auto& one : config.effective) width = std::max(width, one.key.size());
  std::string text;
  for (const auto& one : config.effective) {
    text +=
        fmt::format("{:<{}}  {:<24}  {}{}\n", one.key, width, one.value.empty() ? "-" : one.value,
                    one.origin, one.origin == "environment" ? " " + one.variable : std::string());
  }
  report::WriteStdout(text);
  return kPass;
}

}  // namespace perf::tool

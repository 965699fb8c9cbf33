// SPDX-License-Identifier: Apache-2.0
// perfctl status: asks all agents and runs, and shows what they say as one.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/result.hpp"
#include "libperf/report/output_dir.hpp"
#include "libperf/report/status.hpp"
#include "libperf/report/status_view.hpp"
#include "libperf/report/terminal_text.hpp"
#include "libperf/service/address.hpp"
#include "libperf/service/audit.hpp"
#include "libperf/service/client.hpp"
#include "libperf/service/run_directory.hpp"
#include "tools/common/exit_code.hpp"

namespace perf::tool {
namespace {

using namespace std::chrono_literals;
constexpr Duration kWithin = 2s;
constexpr const char* kTarget = "/performance/overview";

Url Parsed(const std::string& url) {
  try {
    return Url::Parse(url);
  } catch (const ConfigError& error) {
    throw UsageError(fmt::format("--url: {}", error.what()));
  }
}

service::Question Of(const Url& parts) {
  service::Question question;
  question.target = kTarget;
  if (parts.scheme == "unix") {
    question.socket = parts.path;
    return question;
  }
  if (parts.scheme != "http") {
    throw UsageError(
        fmt::format("--url {}: expected http://ADDRESS:PORT or unix:///PATH", parts.Masked()));
  }
  question.host = parts.host == "localhost" ? "127.0.0.1" : parts.host;
  question.port = parts.port == 0 ? 80 : parts.port;
  return question;
}

std::vector<service::Found> AskFor(const StatusCommand& command) {
  const Deadline deadline = Deadline::After(Clock::now(), kWithin);
  if (command.url.empty()) {
    return service::AskAll(service::RunDirectory::Places(config::Environment()), kTarget, deadline);
  }
  const Url url = Parsed(command.url);
  return {{url.Masked(), service::Ask(Of(url), deadline)}};
}

/// What one of them said, or a line that says why it said nothing.
void Take(service::Found found, report::StatusDocument& all) {
  std::string error = found.answer.error;
  if (error.empty() && found.answer.status != 200) {
    error = fmt::format("answered with status {}", found.answer.status);
  }
  if (error.empty()) {
    try {
      report::StatusDocument one = report::StatusDocument::FromJson(Json::Parse(found.answer.body));
      for (report::StatusAgent& agent : one.agents) {
        agent.where = found.socket;
        all.agents.push_back(std::move(agent));
      }
      for (auto& row : one.rows) all.rows.push_back(std::move(row));
      for (auto& alert : one.alerts) all.alerts.push_back(std::move(alert));
      for (auto& note : one.notes) all.notes.push_back(std::move(note));
      return;
    } catch (const Error& wrong) {
      error = wrong.what();
    }
  }
  report::StatusAgent agent;
  agent.name = found.socket.substr(found.socket.rfind('/') + 1);
  agent.where = found.socket;
  agent.error = std::move(error);
  all.agents.push_back(std::move(agent));
}

}  // namespace

int Status(const StatusCommand& command, const Options& options) {
  report::StatusDocument all;
  all.tool_version = load::Version();
  all.generated_at = service::Iso8601(std::chrono::system_clock::now());
  for (service::Found& found : AskFor(command)) Take(std::move(found), all);
  if (all.agents.empty()) {
    all.notes.emplace_back("no agent and no run was found; start one with: perfctl serve");
  }
  report::StatusView view;
  view.only = command.only;
  view.problems = command.problems;
  if (command.json) {
    report::WriteStdout(all.ToJson().Dump(2) + "\n");
  } else if (command.plain) {
    report::WriteStdout(report::StatusPlain(all, view));
  } else {
    view.width = report::SizeOfTerminal(STDOUT_FILENO).columns;
    view.utf8 = report::Utf8Locale();
    report::WriteStdout(
        report::StatusScreen(all, view, report::Style(options.color, STDOUT_FILENO)));
  }
  return report::PluginCode(all.Overall());
}

}  // namespace perf::tool

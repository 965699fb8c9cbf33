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
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"
#include "libperf/base/utc.hpp"
#include "libperf/load/result.hpp"
#include "libperf/report/output_dir.hpp"
#include "libperf/report/redraw.hpp"
#include "libperf/report/status.hpp"
#include "libperf/report/status_view.hpp"
#include "libperf/report/terminal_text.hpp"
#include "libperf/service/address.hpp"
#include "libperf/service/client.hpp"
#include "libperf/service/run_directory.hpp"
#include "tools/common/exit_code.hpp"
#include "tools/common/program.hpp"

namespace perf::tool {
namespace {

using namespace std::chrono_literals;
constexpr Duration kWithin = 2s;
constexpr Duration kShortest = 100ms, kLongest = 1h;  // of --watch
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

report::StatusDocument Look(const StatusCommand& command) {
  report::StatusDocument all;
  all.tool_version = load::Version();
  all.generated_at = UtcNow();
  for (service::Found& found : AskFor(command)) Take(std::move(found), all);
  if (all.agents.empty()) {
    all.notes.emplace_back("no agent and no run was found; start one with: perfctl serve");
  }
  return all;
}

report::StatusView ViewOf(const StatusCommand& command) {
  report::StatusView view;
  view.only = command.only;
  view.problems = command.problems;
  view.utf8 = report::Utf8Locale();
  return view;
}

/// Looks and draws until it is told to stop; what was seen last is the exit code.
int WatchStatus(const StatusCommand& command, const Options& options) {
  const auto every = ParseDuration(command.watch);
  if (!every || *every < kShortest || *every > kLongest) {
    throw UsageError(fmt::format("--watch={}: expected a time from {} to {}, such as 2s",
                                 Excerpt(command.watch, 40), FormatExact(kShortest),
                                 FormatExact(kLongest)));
  }
  report::StatusView view = ViewOf(command);
  const report::Style style(options.color, STDOUT_FILENO);
  report::Redraw screen(::isatty(STDOUT_FILENO) == 1, report::WriteStdout);
  int code = 0;
  report::Watch(*every, StopOnSignals(), [&] {
    const report::StatusDocument all = Look(command);
    const report::TerminalSize size = report::SizeOfTerminal(STDOUT_FILENO);
    view.width = size.columns;
    view.height = size.lines;  // what is below the screen's end could not be drawn anew
    screen.Draw(report::StatusScreen(all, view, style), size.lines, size.columns);
    code = report::PluginCode(all.Overall());
  });
  return code;
}

}  // namespace

int Status(const StatusCommand& command, const Options& options) {
  if (!command.watch.empty()) return WatchStatus(command, options);
  const report::StatusDocument all = Look(command);
  report::StatusView view = ViewOf(command);
  if (command.json) {
    report::WriteStdout(all.ToJson().Dump(2) + "\n");
  } else if (command.plain) {
    report::WriteStdout(report::StatusPlain(all, view));
  } else {
    view.width = report::SizeOfTerminal(STDOUT_FILENO).columns;
    report::WriteStdout(
        report::StatusScreen(all, view, report::Style(options.color, STDOUT_FILENO)));
  }
  return report::PluginCode(all.Overall());
}

}  // namespace perf::tool

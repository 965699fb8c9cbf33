// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "libperf/base/error.hpp"
#include "libperf/load/parse.hpp"
#include "libperf/load/runner.hpp"
#include "libperf/report/output_dir.hpp"
#include "libperf/report/progress.hpp"
#include "libperf/report/summary.hpp"
#include "tools/common/exit_code.hpp"
#include "tools/common/program.hpp"

namespace perf::tool {
namespace {

void Print(const load::Result& result, const RunFlags& flags, const Options& options,
           const std::string& json, const std::vector<std::string>& written) {
  const int fd = flags.json ? STDERR_FILENO : STDOUT_FILENO;
  const report::Style style(options.color, fd);
  const std::string text = flags.quiet ? report::VerdictLine(result, style) + "\n"
                                       : report::Summary(result, style, written);
  if (flags.json) {
    if (!flags.quiet) report::WriteStderr(text);
    report::WriteStdout(json);
  } else {
    report::WriteStdout(text);
  }
}

int RunScenario(const load::Scenario& scenario, const RunFlags& flags, const Options& options,
                const std::string& tool, const std::optional<std::string>& scenario_text) {
  const report::OutputDir out(flags.out, scenario.name);
  load::RunOptions run;
  run.threads = flags.threads;
  run.tool = tool;
  run.stop = &StopOnSignals();
  std::optional<report::ProgressView> view;
  if (!flags.quiet) {
    view.emplace(report::Style(options.color, STDERR_FILENO), report::IsTerminal(STDERR_FILENO));
    run.on_progress = [&](const load::Progress& progress) { view->Update(progress); };
    run.on_phase = [&](const std::string& phase) { view->Phase(phase); };
  }
  const load::Result result = load::Run(scenario, run);
  view.reset();
  const std::string json = result.ToJson().Dump(2) + "\n";
  std::vector<std::string> written;
  std::optional<OutputError> cannot_write;
  try {
    written.push_back(out.Write("result.json", json));
    if (scenario_text) written.push_back(out.Write("scenario.yaml", *scenario_text));
  } catch (const OutputError& error) {
    cannot_write.emplace(error);
  }
  // A disk that is full must not cost the user the figures.
  try {
    Print(result, flags, options, json, written);
  } catch (const OutputError& error) {
    cannot_write.emplace(error);
  }
  if (cannot_write) report::WriteStderr(fmt::format("perfctl: {}\n", cannot_write->what()));
  return CodeOf(result, !cannot_write);
}

}  // namespace

std::string ReadStdin() {
  constexpr std::size_t kMost = std::size_t{16} << 20;
  std::string text;
  char buffer[65536];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, stdin)) {
    text.append(buffer, got);
    if (text.size() > kMost) throw ConfigError("-: more than 16 MiB on standard input");
  }
  return text;
}

int Run(const RunCommand& command, const Options& options) {
  load::ParseOptions parse;
  parse.path = command.scenario;
  if (command.scenario == "-") parse.text = ReadStdin();
  parse.sets = command.sets;
  parse.profile = command.profile;
  parse.seed = command.flags.seed;
  parse.allow_hosts = command.flags.allow_hosts;
  const load::Scenario scenario = load::ParseScenario(parse);
  return RunScenario(scenario, command.flags, options, "perfctl run", std::nullopt);
}

int RunOneLiner(const OneLinerCommand& command, const Options& options) {
  const std::string text = load::ScenarioText(command.line);
  if (command.print_scenario) {
    report::WriteStdout(text);
    return kPass;
  }
  constexpr const char* kTools[] = {"perfctl http", "perfctl sql", "perfctl redis"};
  load::ParseOptions parse;
  parse.path = "one-liner";
  parse.text = text;
  parse.seed = command.flags.seed;
  parse.allow_hosts = command.flags.allow_hosts;
  const load::Scenario scenario = load::ParseScenario(parse);
  return RunScenario(scenario, command.flags, options, kTools[static_cast<int>(command.line.kind)],
                     text);
}

}  // namespace perf::tool

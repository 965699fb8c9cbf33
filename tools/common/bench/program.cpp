// SPDX-License-Identifier: Apache-2.0
#include "tools/common/bench/program.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/report/bench_table.hpp"
#include "libperf/report/output_dir.hpp"
#include "tools/common/bench/options.hpp"
#include "tools/common/exit_code.hpp"
#include "tools/common/program.hpp"

namespace perf::tool {
namespace {

void Print(const load::Result& result, const BenchOptions& options, const std::string& json,
           const std::vector<std::string>& written) {
  const int fd = options.json || options.stdout_taken ? STDERR_FILENO : STDOUT_FILENO;
  const report::Style style(options.color, fd);
  std::string text = options.quiet ? report::BenchVerdictLine(result, style) + "\n"
                                   : report::BenchSummary(result, style, written);
  if (options.advice) text += options.advice(result);
  if (fd == STDOUT_FILENO) {
    report::WriteStdout(text);
  } else if (!options.quiet) {
    report::WriteStderr(text);
  }
  if (options.json) report::WriteStdout(json);
}

int RunVerb(const BenchProgram& program, const BenchOptions& options) {
  const char* const name = program.name;
  const report::OutputDir out(options.out, fmt::format("{}-{}", name, options.verb));
  bench::Context context;
  context.seed = options.seed;
  context.stop = &StopOnSignals();
  context.allocations = program.allocations;
  if (!options.quiet) {
    context.on_phase = [](const std::string& phase) {
      if (!phase.empty()) report::WriteStderr(phase + "\n");
    };
  }
  const load::Result result = options.run(context);
  const std::string json = result.ToJson().Dump(2) + "\n";
  std::vector<std::string> written;
  std::optional<OutputError> cannot_write;
  try {
    written.push_back(out.Write("result.json", json));
  } catch (const OutputError& error) {
    cannot_write.emplace(error);
  }
  // A disk that is full must not cost the user the figures.
  try {
    Print(result, options, json, written);
  } catch (const OutputError& error) {
    cannot_write.emplace(error);
  }
  if (cannot_write) report::WriteStderr(fmt::format("{}: {}\n", name, cannot_write->what()));
  for (const load::ThresholdResult& check : result.thresholds) {
    if (check.ok) continue;
    const std::string seen = check.observed ? fmt::format("{:.4g}", *check.observed) : "nothing";
    report::WriteStderr(
        fmt::format("{}: check failed: {} (observed {})\n", name, check.expr, seen));
  }
  return CodeOf(result, !cannot_write);
}

}  // namespace

int RunBenchProgram(const BenchProgram& program, int argc, char** argv) {
  return RunProgram(program.name, [&] {
    const BenchOptions options = ParseBenchOptions(program, argc, argv);
    if (options.done) return static_cast<int>(kPass);
    ConfigureLog(options.log_level, options.log_format);
    return RunVerb(program, options);
  });
}

}  // namespace perf::tool

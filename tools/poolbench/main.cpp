// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/url.hpp"
#include "libperf/report/bench_table.hpp"
#include "libperf/report/output_dir.hpp"
#include "options.hpp"
#include "tools/perfctl/exit_code.hpp"

namespace perf::tool {
namespace {

std::atomic<bool> stop_asked{false};

void OnSignal(int signal_number) {
  // The second time the user means it: the partial result is given up.
  if (stop_asked.exchange(true)) {
    std::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
  }
}

void CatchSignals() {
  struct sigaction action{};
  action.sa_handler = OnSignal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

int CodeOf(const load::Result& result, bool written) {
  if (result.verdict == load::Verdict::kInterrupted) return kInterrupted;
  if (!written) return kCannotWrite;
  if (!result.Valid()) return kInvalidRun;
  return result.ThresholdsOk() ? kPass : kThreshold;
}

void Print(const load::Result& result, const Options& options, const std::string& json,
           const std::vector<std::string>& written) {
  const int fd = options.json ? STDERR_FILENO : STDOUT_FILENO;
  const report::Style style(options.color, fd);
  std::string text = options.quiet ? report::BenchVerdictLine(result, style) + "\n"
                                   : report::BenchSummary(result, style, written);
  if (options.advice) text += options.advice(result);
  if (!options.json) {
    report::WriteStdout(text);
    return;
  }
  if (!options.quiet) fmt::print(stderr, "{}", text);
  report::WriteStdout(json);
}

int RunVerb(const Options& options) {
  const report::OutputDir out(options.out, "poolbench-" + options.verb);
  CatchSignals();
  bench::Context context;
  context.seed = options.seed;
  context.stop = &stop_asked;
  if (!options.quiet) {
    context.on_phase = [](const std::string& phase) {
      if (!phase.empty()) fmt::print(stderr, "{}\n", phase);
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
  Print(result, options, json, written);
  if (cannot_write) fmt::print(stderr, "poolbench: {}\n", cannot_write->what());
  for (const load::ThresholdResult& check : result.thresholds) {
    if (check.ok) continue;
    fmt::print(stderr, "poolbench: check failed: {} (observed {})\n", check.expr,
               check.observed ? fmt::format("{:.4g}", *check.observed) : "nothing");
  }
  return CodeOf(result, !cannot_write);
}

int Complain(ExitCode code, const std::exception& error) {
  fmt::print(stderr, "poolbench: {}\n", MaskSecrets(error.what()));
  return code;
}

/// The only place that turns exceptions into exit codes.
int Main(int argc, char** argv) {
  try {
    const Options options = ParseOptions(argc, argv);
    if (options.done) return kPass;
    ConfigureLog(options.log_level, options.log_format);
    return RunVerb(options);
  } catch (const UsageError& error) {
    return Complain(kUsage, error);
  } catch (const ConfigError& error) {
    return Complain(kInvalidInput, error);
  } catch (const UnreachableError& error) {
    return Complain(kUnreachable, error);
  } catch (const OutputError& error) {
    return Complain(kCannotWrite, error);
  } catch (const std::exception& error) {
    return Complain(kInternal, error);
  }
}

}  // namespace
}  // namespace perf::tool

int main(int argc, char** argv) {
  // A peer or a reader that went away is an error of one write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  return perf::tool::Main(argc, argv);
}

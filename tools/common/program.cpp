// SPDX-License-Identifier: Apache-2.0
#include "tools/common/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <exception>

#include "libperf/base/error.hpp"
#include "libperf/base/url.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/report/output_dir.hpp"
#include "tools/common/exit_code.hpp"

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

/// Where standard output or error was closed, the next file to be opened would take its number,
/// and what is printed would go there. Writing to what stands there instead fails.
void HoldStandardFiles() {
  int fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::dup(fd);
  if (fd > STDERR_FILENO) ::close(fd);
}

int Complain(const char* name, ExitCode code, const std::exception& error) {
  report::WriteStderr(fmt::format("{}: {}\n", name, MaskSecrets(error.what())));
  return code;
}

}  // namespace

int CodeOf(const load::Result& result, bool written) {
  if (result.verdict == load::Verdict::kInterrupted) return kInterrupted;
  if (!written) return kCannotWrite;
  if (!result.Valid()) return kInvalidRun;
  return result.ThresholdsOk() ? kPass : kThreshold;
}

int RunProgram(const char* name, const std::function<int()>& body) {
  HoldStandardFiles();
  // A peer or a reader that went away is an error of one write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return body();
  } catch (const UsageError& error) {
    return Complain(name, kUsage, error);
  } catch (const config::PlacedError& error) {
    // FILE:LINE:COLUMN first, where editors look for it.
    report::WriteStderr(MaskSecrets(error.what()) + "\n");
    return kInvalidInput;
  } catch (const ConfigError& error) {
    return Complain(name, kInvalidInput, error);
  } catch (const UnreachableError& error) {
    return Complain(name, kUnreachable, error);
  } catch (const OutputError& error) {
    return Complain(name, kCannotWrite, error);
  } catch (const std::exception& error) {
    return Complain(name, kInternal, error);
  }
}

std::atomic<bool>& StopOnSignals() {
  struct sigaction action{};
  action.sa_handler = OnSignal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  return stop_asked;
}

std::vector<std::pair<std::string, std::string>> SplitSets(const std::vector<std::string>& sets) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& set : sets) {
    const std::size_t equal = set.find('=');
    if (equal == std::string::npos || equal == 0) {
      throw UsageError(fmt::format("--set {}: expected PATH=VALUE, such as vars.guests=10", set));
    }
    pairs.emplace_back(set.substr(0, equal), set.substr(equal + 1));
  }
  return pairs;
}

}  // namespace perf::tool

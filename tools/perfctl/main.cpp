// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <variant>

#include "commands.hpp"
#include "exit_code.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/url.hpp"
#include "libperf/report/output_dir.hpp"
#include "options.hpp"

namespace perf::tool {
namespace {

int Dispatch(const Options& options) {
  if (const auto* run = std::get_if<RunCommand>(&options.command)) return Run(*run, options);
  if (const auto* one = std::get_if<OneLinerCommand>(&options.command)) {
    return RunOneLiner(*one, options);
  }
  if (const auto* init = std::get_if<InitCommand>(&options.command)) return Init(*init);
  return Validate(std::get<ValidateCommand>(options.command));
}

int Complain(ExitCode code, const std::exception& error) {
  report::WriteStderr(fmt::format("perfctl: {}\n", MaskSecrets(error.what())));
  return code;
}

/// The only place that turns exceptions into exit codes.
int Main(int argc, char** argv) {
  try {
    const Options options = ParseOptions(argc, argv);
    if (options.done) return kPass;
    ConfigureLog(options.log_level, options.log_format);
    return Dispatch(options);
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

/// Where standard output or error was closed, the next file to be opened would take its number,
/// and what is printed would go there. Writing to what stands there instead fails.
void HoldStandardFiles() {
  int fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::dup(fd);
  if (fd > STDERR_FILENO) ::close(fd);
}

}  // namespace
}  // namespace perf::tool

int main(int argc, char** argv) {
  perf::tool::HoldStandardFiles();
  // A peer or a reader that went away is an error of one write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  return perf::tool::Main(argc, argv);
}

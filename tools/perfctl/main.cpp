// SPDX-License-Identifier: Apache-2.0
#include <variant>

#include "commands.hpp"
#include "libperf/base/log.hpp"
#include "options.hpp"
#include "tools/common/exit_code.hpp"
#include "tools/common/program.hpp"

namespace perf::tool {
namespace {

int Dispatch(const Options& options) {
  if (const auto* run = std::get_if<RunCommand>(&options.command)) return Run(*run, options);
  if (const auto* one = std::get_if<OneLinerCommand>(&options.command)) {
    return RunOneLiner(*one, options);
  }
  if (const auto* init = std::get_if<InitCommand>(&options.command)) return Init(*init);
  if (const auto* doctor = std::get_if<DoctorCommand>(&options.command)) {
    return Doctor(*doctor, options);
  }
  if (const auto* wanted = std::get_if<ExportCommand>(&options.command)) return Export(*wanted);
  if (const auto* serve = std::get_if<ServeCommand>(&options.command)) return Serve(*serve);
  if (const auto* config = std::get_if<ConfigCommand>(&options.command)) return Config(*config);
  if (const auto* status = std::get_if<StatusCommand>(&options.command)) {
    return Status(*status, options);
  }
  return Validate(std::get<ValidateCommand>(options.command));
}

int Main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  if (options.done) return kPass;
  ConfigureLog(options.log_level, options.log_format);
  return Dispatch(options);
}

}  // namespace
}  // namespace perf::tool

int main(int argc, char** argv) {
  return perf::tool::RunProgram("perfctl", [&] { return perf::tool::Main(argc, argv); });
}

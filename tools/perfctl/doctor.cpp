// SPDX-License-Identifier: Apache-2.0
// perfctl doctor: what would spoil a run on this machine.
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "commands.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/utc.hpp"
#include "libperf/load/result.hpp"
#include "libperf/monitor/doctor/doctor.hpp"
#include "libperf/report/doctor_view.hpp"
#include "libperf/report/output_dir.hpp"
#include "libperf/report/status.hpp"
#include "libperf/report/terminal_text.hpp"
#include "tools/common/exit_code.hpp"

namespace perf::tool {
namespace {

/// An absolute path of the environment, or nothing.
std::string PathOf(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value == '/' ? value : "";
}

/// The places of the contract; see FILES of perfctl(1).
void NamePlaces(monitor::DoctorOptions& options) {
  std::string temporary = PathOf("TMPDIR");
  if (temporary.empty()) temporary = "/tmp";
  const std::string own = temporary + "/perfkit-" + std::to_string(::getuid());
  const std::string run = PathOf("XDG_RUNTIME_DIR"), state = PathOf("XDG_STATE_HOME");
  const std::string home = PathOf("HOME");
  options.run_directory = run.empty() ? own : run + "/perfkit";
  options.state_directory = !state.empty()  ? state + "/perfkit"
                            : !home.empty() ? home + "/.local/state/perfkit"
                                            : own + "/perfkit";
}

}  // namespace

int Doctor(const DoctorCommand& command, const Options& options) {
  monitor::DoctorOptions machine = monitor::ThisMachine();
  NamePlaces(machine);
  // What is taken from the processors now shows only over a while.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  report::DoctorChecks checks;
  try {
    checks = monitor::Examine(machine);
  } catch (const IoError& error) {
    report::WriteStderr(std::string("perfctl: ") + error.what() + "\n");
    return report::PluginCode(report::StatusState::kUnknown);
  }
  if (command.json) {
    report::WriteStdout(report::DoctorJson(checks, load::Version(), UtcNow()).Dump(2) + "\n");
  } else if (command.plain) {
    report::WriteStdout(report::DoctorPlain(checks));
  } else {
    const std::size_t width = report::SizeOfTerminal(STDOUT_FILENO).columns;
    report::WriteStdout(report::DoctorScreen(checks, load::Version(), width, report::Utf8Locale(),
                                             report::Style(options.color, STDOUT_FILENO)));
  }
  return report::PluginCode(report::StateOf(report::WorstOf(checks)));
}

}  // namespace perf::tool

// SPDX-License-Identifier: Apache-2.0
// The commands that only look at files: init and validate.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "commands.hpp"
#include "libperf/base/error.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/load/parse.hpp"
#include "libperf/load/starter.hpp"
#include "libperf/report/output_dir.hpp"
#include "tools/common/exit_code.hpp"

namespace perf::tool {

int Init(const InitCommand& command) {
  const std::string path = command.file.empty() ? "scenario.yaml" : command.file;
  const std::string_view text = load::StarterScenario();
  if (path == "-") {
    report::WriteStdout(text);
    return kPass;
  }
  // O_EXCL instead of a look before: nothing of the user's is overwritten, whoever else writes.
  // O_NONBLOCK: a pipe without a reader is an error and not a wait.
  const int mode = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | (command.force ? O_TRUNC : O_EXCL);
  const int fd = ::open(path.c_str(), mode, 0644);
  if (fd < 0) {
    const char* remedy = errno == EEXIST ? " (use --force to replace it)" : "";
    throw OutputError(fmt::format("{}: {}{}", path, std::strerror(errno), remedy));
  }
  const ssize_t written = ::write(fd, text.data(), text.size());
  int error = written < 0 ? errno : written < static_cast<ssize_t>(text.size()) ? ENOSPC : 0;
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error != 0) {
    // Half a scenario would only be in the way of the next try.
    if (!command.force) ::unlink(path.c_str());
    throw OutputError(fmt::format("{}: {}", path, std::strerror(error)));
  }
  report::WriteStdout(fmt::format("{0} is written; run it with: perfctl run {0}\n", path));
  return kPass;
}

int Validate(const ValidateCommand& command) {
  const char* actions = std::getenv("GITHUB_ACTIONS");
  const bool github = actions != nullptr && std::string_view(actions) == "true";
  std::size_t bad = 0;
  for (const std::string& file : command.files) {
    config::Diagnostics diagnostics;
    load::ParseOptions parse;
    parse.path = file;
    if (file == "-") parse.text = ReadStdin();
    parse.sets = command.sets;
    parse.profile = command.profile;
    parse.allow_hosts = command.allow_hosts;
    const bool valid = load::ParseScenario(parse, diagnostics).has_value();
    if (valid) {
      report::WriteStdout(fmt::format("{}: valid\n", file));
      continue;
    }
    ++bad;
    report::WriteStderr(diagnostics.Render(config::DiagnosticFormat::kText));
    if (github) report::WriteStdout(diagnostics.Render(config::DiagnosticFormat::kGitHub));
  }
  return bad == 0 ? kPass : kInvalidInput;
}

}  // namespace perf::tool

// SPDX-License-Identifier: Apache-2.0
// perfctl export: what other programs are told about perfkit, made from perfkit itself.
#include <fmt/format.h>
#include <unistd.h>

#include <climits>
#include <string>

#include "commands.hpp"
#include "libperf/base/error.hpp"
#include "libperf/monitor/alerts/prometheus_rules.hpp"
#include "libperf/report/grafana.hpp"
#include "libperf/report/metric_catalogue.hpp"
#include "libperf/report/output_dir.hpp"
#include "libperf/report/systemd_unit.hpp"
#include "tools/common/exit_code.hpp"

namespace perf::tool {
namespace {

/// Where this very program stands, for a unit needs an absolute path.
std::string OwnPath() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || length == static_cast<ssize_t>(sizeof path)) {
    throw IoError("/proc/self/exe cannot be read: name the program with --program");
  }
  return {path, static_cast<std::size_t>(length)};
}

/// Control characters would begin another line of the unit.
void CheckPlain(const char* flag, const std::string& word) {
  for (const char c : word) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      throw UsageError(fmt::format("{}: no control characters", flag));
    }
  }
}

}  // namespace

int Export(const ExportCommand& command) {
  if (command.what == "grafana") {
    const Json dashboard = report::GrafanaDashboard(report::MetricCatalogue());
    report::WriteStdout(dashboard.Dump(2) + "\n");
    return kPass;
  }
  if (command.what == "prometheus-rules") {
    namespace alerts = monitor::alerts;
    report::WriteStdout(alerts::ToPrometheusRules(
        command.rules.empty() ? alerts::DefaultRules() : alerts::LoadRules(command.rules)));
    return kPass;
  }
  const std::string program = command.program.empty() ? OwnPath() : command.program;
  if (!program.starts_with('/')) {
    throw UsageError("--program: systemd asks for an absolute path, such as /usr/bin/perfctl");
  }
  CheckPlain("--program", program);
  CheckPlain("--listen", command.listen);
  report::WriteStdout(report::SystemdUnit(program, command.listen));
  return kPass;
}

}  // namespace perf::tool

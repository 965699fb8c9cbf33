// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "libperf/base/log.hpp"
#include "libperf/load/one_liner.hpp"
#include "libperf/report/style.hpp"

namespace perf::tool {

/// What `run` and the one-liners have in common.
struct RunFlags {
  std::string out;  // empty: below $XDG_STATE_HOME
  std::optional<std::uint64_t> seed;
  std::size_t threads = 1;
  bool json = false;
  bool quiet = false;
  std::vector<std::string> allow_hosts;
};

struct RunCommand {
  RunFlags flags;
  std::string scenario;
  std::vector<std::pair<std::string, std::string>> sets;
  std::string profile;
};

struct OneLinerCommand {
  RunFlags flags;
  load::OneLiner line;
  bool print_scenario = false;
};

struct InitCommand {
  std::string file;
  bool force = false;
};

struct ValidateCommand {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> sets;
  std::string profile;
  std::vector<std::string> allow_hosts;
};

struct DoctorCommand {
  bool json = false;
  bool plain = false;
};

struct ExportCommand {
  std::string what;  // "systemd", "grafana" or "prometheus-rules"
  std::string program, listen;
  std::vector<std::string> rules;  // files; none: the default rules
};

struct ServeCommand {
  std::string config;
  std::string listen, token_file, certificate, key, audit, run_directory, name;
};

struct ConfigCommand {
  std::string config;
  bool check = false;
  bool json = false;
};

struct StatusCommand {
  std::string url;
  std::string only;
  bool json = false;
  bool plain = false;
  bool problems = false;
  std::string watch;  // how often anew; empty: once
};

struct Options {
  LogLevel log_level = LogLevel::kWarn;
  LogFormat log_format = LogFormat::kText;
  report::ColorChoice color = report::ColorChoice::kAuto;
  std::variant<std::monostate, RunCommand, OneLinerCommand, InitCommand, ValidateCommand,
               DoctorCommand, ExportCommand, ServeCommand, ConfigCommand, StatusCommand>
      command;
  /// Set when help or the version was printed: nothing else is to be done.
  bool done = false;
};

/// Parses a command line. Throws: UsageError.
Options ParseOptions(int argc, char** argv);

}  // namespace perf::tool

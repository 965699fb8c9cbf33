// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "options.hpp"

namespace perf::tool {

/// Each runs one command and returns its exit code. Throws: perf::Error, which main turns into one.
int Run(const RunCommand& command, const Options& options);
int RunOneLiner(const OneLinerCommand& command, const Options& options);
int Init(const InitCommand& command);
int Validate(const ValidateCommand& command);
int Doctor(const DoctorCommand& command, const Options& options);
int Export(const ExportCommand& command);
int Serve(const ServeCommand& command);
int Config(const ConfigCommand& command);
int Status(const StatusCommand& command, const Options& options);

/// All of standard input, for a file named "-". Throws: ConfigError above 16 MiB.
std::string ReadStdin();

}  // namespace perf::tool

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "options.hpp"

namespace perf::tool {

/// Each runs one command and returns its exit code. Throws: perf::Error, which main turns into one.
int Run(const RunCommand& command, const Options& options);
int RunOneLiner(const OneLinerCommand& command, const Options& options);
int Init(const InitCommand& command);
int Validate(const ValidateCommand& command);

}  // namespace perf::tool

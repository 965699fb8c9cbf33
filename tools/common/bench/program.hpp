// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/common/bench/options.hpp"

namespace perf::tool {

/// The whole of a program whose verbs each make one result: parses, runs, prints, writes the result
/// to its directory and gives the exit code.
int RunBenchProgram(const BenchProgram& program, int argc, char** argv);

}  // namespace perf::tool

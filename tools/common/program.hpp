// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace perf::tool {

/// Runs a program: `body` gives its exit code. The only place that turns exceptions into exit
/// codes; what they say goes to standard error, behind the program's name and without secrets.
int RunProgram(const char* name, const std::function<int()>& body);

/// From now on SIGINT and SIGTERM only set the flag; a second one ends the program.
std::atomic<bool>& StopOnSignals();

/// "vars.x=1" of --set. Throws: UsageError.
std::vector<std::pair<std::string, std::string>> SplitSets(const std::vector<std::string>& sets);

}  // namespace perf::tool

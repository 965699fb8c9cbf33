// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "libperf/base/log.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"
#include "libperf/report/style.hpp"
#include "tools/common/bench/verb.hpp"

namespace perf::tool {

/// A program whose verbs each make one result.
struct BenchProgram {
  const char* name;
  const char* what;
  Verbs (*verbs)();
  /// See bench::Context.
  std::uint64_t (*allocations)() noexcept = nullptr;
};

/// What a command line of such a program asks for.
struct BenchOptions {
  LogLevel log_level = LogLevel::kWarn;
  LogFormat log_format = LogFormat::kText;
  report::ColorChoice color = report::ColorChoice::kAuto;
  std::string verb;
  std::string out;  // empty: below $XDG_STATE_HOME
  std::uint64_t seed = 1;
  bool json = false;
  bool quiet = false;
  bool stdout_taken = false;  // by what the verb makes
  /// Runs the verb with its flags. Throws: perf::Error, which main turns into an exit code.
  std::function<load::Result(const bench::Context&)> run;
  /// What else is to be printed behind the result; may be empty.
  std::function<std::string(const load::Result&)> advice;
  /// Set when help or the version was printed: nothing else is to be done.
  bool done = false;
};

/// Parses a command line. Throws: UsageError.
BenchOptions ParseBenchOptions(const BenchProgram& program, int argc, char** argv);

}  // namespace perf::tool

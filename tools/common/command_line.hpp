// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libperf/base/log.hpp"
#include "libperf/report/style.hpp"

namespace CLI {
class App;
}

namespace perf::tool {

/// What all programs take before their command.
class CommonFlags {
 public:
  /// To `app`; borrows this.
  void AddTo(CLI::App& app);
  LogLevel Level() const { return ParseLogLevel(log_level_); }
  LogFormat Format() const;
  report::ColorChoice Color() const;

 private:
  std::string color_ = "auto";
  std::string log_level_ = "warn";
  std::string log_format_ = "text";
};

/// Parses the command line of `app`, whose commands are called `noun`. False when help or the
/// version was printed, and nothing else is to be done. CLI11's own handling writes to std::cout
/// and picks its own exit codes. Throws: UsageError, which names what was probably meant.
bool ParseCommandLine(CLI::App& app, int argc, char** argv, const std::string& noun);

/// Of --seed; nothing where nothing is given. Throws: UsageError.
std::optional<std::uint64_t> SeedOf(const std::string& word);

}  // namespace perf::tool

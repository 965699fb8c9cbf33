// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace perf::tool {

/// One option or positional argument of a command line, as its table has it.
struct CompletedFlag {
  std::vector<std::string> names;   // "-q", "--quiet"; none of a positional
  std::string what;                 // one line
  std::string type;                 // "FILE", "DIR", "N" …; empty: it takes no value
  std::vector<std::string> values;  // where only these may be given
};

/// A command with its own flags and those below it.
struct CompletedCommand {
  std::string name;
  std::string what;
  std::vector<CompletedFlag> flags;
  std::vector<CompletedFlag> positionals;
  std::vector<CompletedCommand> commands;
};

/// Scripts that complete the commands, flags, and values of `program`: for
/// /usr/share/bash-completion/completions/NAME, for _NAME in zsh's $fpath, and for
/// /usr/share/fish/vendor_completions.d/NAME.fish. Values of FILE and DIR are files and
/// directories. Thread safety: pure functions.
std::string BashCompletion(const CompletedCommand& program);
std::string ZshCompletion(const CompletedCommand& program);
std::string FishCompletion(const CompletedCommand& program);

}  // namespace perf::tool

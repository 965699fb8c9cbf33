// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// What beside the file decides what a scenario means: the flags of `perfctl run`.
struct ParseOptions {
  std::string path;                 // the file; with `text` only its name in messages
  std::optional<std::string> text;  // instead of the file's content
  /// "vars.x" and its value as YAML; laid over the file last.
  std::vector<std::pair<std::string, std::string>> sets;
  std::string profile;                   // of `profiles`; empty: none
  std::optional<std::uint64_t> seed;     // wins over the file's
  std::vector<std::string> allow_hosts;  // beside the file's `allow`
  config::LoadOptions files;
};

/// The scenario of a file, checked: every name resolved, every value in range, every regular
/// expression and template compiled, every data file read.
/// Thread safety: a pure function of options, files and environment. Nothing is started.
/// Throws: ConfigError whose text is the rendered diagnostics, all of them.
PERF_EXPORT Scenario ParseScenario(const ParseOptions& options);

/// As above, but what is wrong goes to `diagnostics`; nothing when anything is.
PERF_EXPORT std::optional<Scenario> ParseScenario(const ParseOptions& options,
                                                  config::Diagnostics& diagnostics);

}  // namespace perf::load

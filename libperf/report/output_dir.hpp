// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::report {

/// Where a run's files go. Made and tried before the load starts, so that an unwritable place
/// is known early.
/// Thread safety: none.
class PERF_EXPORT OutputDir {
 public:
  /// `wanted` empty: a new directory below $XDG_STATE_HOME/perfkit/runs (or
  /// ~/.local/state/perfkit/runs; without a home below a 0700 directory of the user's own in the
  /// temporary folder), named after the time and the scenario.
  /// Throws: OutputError with path, reason and remedy.
  OutputDir(const std::string& wanted, std::string_view scenario);
  const std::string& Path() const noexcept { return path_; }
  /// Writes a whole file (temporary file, then rename); returns its path.
  /// Throws: OutputError; an earlier file of that name is then as it was.
  std::string Write(std::string_view name, std::string_view content) const;

 private:
  std::string path_;
};

/// Writes to standard error; what cannot be written there can be told to nobody.
PERF_EXPORT void WriteStderr(std::string_view text) noexcept;
/// Writes to standard output. Throws: OutputError when that cannot be written (full, closed).
PERF_EXPORT void WriteStdout(std::string_view text);

}  // namespace perf::report

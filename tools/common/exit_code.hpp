// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/load/result.hpp"

namespace perf::tool {

/// The exit codes of the contract; see perfctl(1).
enum ExitCode : int {
  kPass = 0,
  kUsage = 64,
  kInvalidInput = 65,
  kUnreachable = 69,
  kInternal = 70,
  kCannotWrite = 73,
  kInvalidRun = 75,
  kThreshold = 99,
  kInterrupted = 130,
};

/// Of a run that came to an end. `written`: its result is where it belongs.
int CodeOf(const load::Result& result, bool written);

}  // namespace perf::tool

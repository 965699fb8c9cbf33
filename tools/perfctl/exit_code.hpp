// SPDX-License-Identifier: Apache-2.0
#pragma once

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

}  // namespace perf::tool

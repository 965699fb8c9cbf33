// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/monitor/level.hpp"

namespace perf::monitor {

/// One thing that was looked at, and what it means for a run on this machine.
struct DoctorCheck {
  std::string area;  // "limits", "network", "processor", "memory", "time", "servers", "places"
  std::string name;  // "open files"
  Level level = Level::kOk;
  std::string seen;    // "1,024, may be raised to 524,288"
  std::string spoils;  // what it would spoil; empty where nothing
  std::string remedy;  // the command that mends it; empty where no command does
};

/// What the look is at. The defaults are this machine; tests give stored trees.
struct DoctorOptions {
  std::string root;  // before /proc, /sys, /usr …; without '/' at the end; empty: the machine
  std::string search_path;  // directories with programs, between ':'; looked for below `root`
  /// What `program --version` prints; nothing where it prints nothing. Not set: versions are not
  /// asked for.
  std::function<std::optional<std::string>(const std::string& program)> version_of;
  std::optional<std::string> stat_before;  // /proc/stat of a moment ago: steal is told of since
  std::optional<bool> clock_synchronized;  // what the kernel says; nothing: it does not
  bool superuser = false;                  // remedies then need no sudo
  std::string run_directory;               // where agents have their sockets; empty: not looked at
  std::string state_directory;             // where results and history go; empty: not looked at
};

/// Looks at everything once; by area, in a fixed order. What cannot be read makes no check of its
/// own unless it matters. Reads files only, and asks programs for their versions if it may.
/// Thread safety: reentrant. Throws: IoError where even /proc is not there.
PERF_EXPORT std::vector<DoctorCheck> Examine(const DoctorOptions& options);

/// The options for this machine: PATH and Debian's places, versions by running the programs (each
/// for at most 2 s), the state of its clock, /proc/stat as it is now. Without places.
PERF_EXPORT DoctorOptions ThisMachine();

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "libperf/backends/process_kin.hpp"
#include "libperf/backends/server_plan.hpp"

namespace perf::backends {

/// The guardian's dealings with the kernel. Thread safety: none; all are for a process with one
/// thread that was just forked and ends by _exit.

/// Points standard input, output and error at /dev/null (a reader of our program's output must
/// see its end when the program ends), closes all else but `channel`; returns its new number.
int Isolate(int channel) noexcept;
/// Blocks the signals that the guardian reads, ignores those of terminals; returns the signalfd.
int BlockSignals();
/// As root: becomes `user`, or where that is empty postgres, redis or nobody, the first that
/// exists and can be become; stays root where none can. Throws: UnreachableError for an unknown
/// `user`.
void BecomeUnprivileged(const std::string& user);
/// `asked`, else $TMPDIR, else /dev/shm where that is a memory file system with 2 GiB free (a
/// journal on disk makes initdb several times slower and disturbs the run), else /tmp.
std::string TemporaryParent(const std::string& asked);
struct SpawnPlace {
  const std::string& directory;
  const std::string& place;  // of PLACE.lock, which the child holds, and PLACE.log, its output
  int death_signal;          // sent to it when the guardian dies
  KinMark mark;              // 0: none
};
/// Starts a child in a process group of its own. -1 where fork fails.
pid_t Spawn(const ServerCommand& command, const SpawnPlace& at);
/// The last lines of a log on one line, at most 600 bytes.
std::string LogTail(const std::string& file);
/// "exit status 1" or "signal 9".
std::string DescribeStatus(int status);

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace perf::backends {

/// Marks a process so that all its descendants can be found, whatever session or group they make
/// for themselves (PostgreSQL's backends each make one), also when their parents are gone, and
/// without /proc. The mark is a resource limit that Linux keeps but has not enforced since 2.4
/// (RLIMIT_LOCKS): children inherit it, and prlimit reads it in other processes of the same user.
/// 0 is no mark.
/// Thread safety: all; KinOf forks.
using KinMark = std::uint64_t;

/// A mark that nobody else has.
KinMark NewKinMark() noexcept;
/// Gives the calling process the mark. False where an outer limit is lower.
bool TakeKinMark(KinMark mark) noexcept;
KinMark KinMarkOf(pid_t pid) noexcept;
/// All processes with that mark among those born since process `first`, `first` included; ended
/// ones, too, that nobody has waited for. Tries every number from `first` to the newest.
std::vector<pid_t> KinOf(KinMark mark, pid_t first);
/// Sends them all that signal; returns how many there were.
std::size_t SignalKin(KinMark mark, pid_t first, int signal);

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <span>
#include <string_view>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/clock.hpp"

namespace perf::backends {

/// What the guardian tells through its channel, one message a line, fields separated by tabs:
///   directory PATH | error TEXT | ready
///   target TARGET URL | node TARGET ROLE URL (in the nodes' order) | pid TARGET NODE PID
///   done NUMBER | failed NUMBER TEXT
/// and what it is asked, MS being the time that it has, NODE a number or "-", ACTION the number
/// of a ServerAction:
///   NUMBER MS TARGET NODE ACTION
/// It ends when the other end of the channel is closed or shut down for writing.
inline constexpr std::string_view kSaysDirectory = "directory";
inline constexpr std::string_view kSaysError = "error";
inline constexpr std::string_view kSaysReady = "ready";
inline constexpr std::string_view kSaysTarget = "target";
inline constexpr std::string_view kSaysNode = "node";
inline constexpr std::string_view kSaysPid = "pid";
inline constexpr std::string_view kSaysDone = "done";
inline constexpr std::string_view kSaysFailed = "failed";

/// The life of the guardian process, to be called in a freshly forked child: leaves the session,
/// closes what it inherited, becomes an unprivileged user when root, starts the servers,
/// reports, does what it is asked until the end of `parent` (which forked it), stops the servers,
/// removes the directory.
[[noreturn]] void RunGuardian(int channel, pid_t parent, std::span<const PrivateSpec> specs,
                              Deadline deadline, const PrivateOptions& options) noexcept;

}  // namespace perf::backends

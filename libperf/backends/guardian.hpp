// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <span>
#include <string_view>

#include "libperf/backends/private_servers.hpp"
#include "libperf/base/clock.hpp"

namespace perf::backends {

/// What the guardian tells through its channel, one message a line, fields separated by tabs:
///   directory PATH | server INDEX PID URL | ready | error TEXT
/// It ends when the other end of the channel is closed or shut down for writing.
inline constexpr std::string_view kSaysDirectory = "directory";
inline constexpr std::string_view kSaysServer = "server";
inline constexpr std::string_view kSaysReady = "ready";
inline constexpr std::string_view kSaysError = "error";

/// The life of the guardian process, to be called in a freshly forked child: leaves the session,
/// closes what it inherited, becomes an unprivileged user when root, starts the servers,
/// reports, waits for the end of `parent` (which forked it), stops the servers, removes the
/// directory.
[[noreturn]] void RunGuardian(int channel, pid_t parent, std::span<const PrivateSpec> specs,
                              Deadline deadline, const PrivateOptions& options) noexcept;

}  // namespace perf::backends

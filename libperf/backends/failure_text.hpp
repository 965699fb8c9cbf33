// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "libperf/backends/loop.hpp"

namespace perf::backends {

/// What a peer or a library said, fit for a Failure: trimmed, secrets masked, at most 400 bytes.
std::string FailureText(std::string_view text);
/// "timed out while `doing`", or that the run ended where EventLoop::CancelAll was the reason.
std::string TimeoutText(const EventLoop& loop, std::string_view doing);

}  // namespace perf::backends

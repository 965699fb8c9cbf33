// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "libperf/backends/loop.hpp"
#include "libperf/base/task.hpp"

namespace perf::backends::test {

/// Real servers, each started at its first use and kept until the process ends; nothing, with a
/// line that says why, where the binaries are not installed.
const std::optional<std::string>& PostgresConninfo();
const std::optional<std::string>& RedisUrl();

/// Runs `body` on the loop until its end; its exception comes out.
void RunOn(EventLoop& loop, Task<void> body);

/// Far enough for a slow machine; a test that works never waits that long.
Deadline Soon();

/// False when that did not come true within the time that Soon() gives.
Task<bool> Await(EventLoop& loop, std::function<bool()> condition);

/// A loopback port where nobody listens.
int ClosedPort();

}  // namespace perf::backends::test

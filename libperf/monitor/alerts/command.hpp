// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/task.hpp"

namespace perf::monitor::alerts {

/// Runs a program with `input` on its standard input and waits for its end; `error` is what went
/// wrong, empty when it exited with 0. At the deadline, or when the loop is cancelled, its process
/// group gets SIGTERM and, a second later, SIGKILL. Its environment is PATH only: our own may hold
/// secrets. Thread safety: none. Lifetime: the references outlive the task.
Task<void> RunCommand(backends::EventLoop& loop, const std::vector<std::string>& arguments,
                      const std::string& input, Deadline deadline, std::string& error);

}  // namespace perf::monitor::alerts

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/monitor/watch/watch.hpp"
#include "libperf/report/status.hpp"
#include "libperf/service/agent_config.hpp"
#include "libperf/service/health.hpp"

namespace perf::service {

/// The targets that a configuration names: "database", "redis", "speech", and each endpoint to
/// scrape by its host and port. Throws: ConfigError.
PERF_EXPORT void AddTargets(const AgentConfig& config, monitor::Watcher& watcher);

/// A row each: CRITICAL with the reason while it is down.
PERF_EXPORT std::vector<report::StatusRow> TargetRows(
    const std::vector<monitor::WatchStatus>& targets);

/// The health of one of them; UNKNOWN where there is none of that name.
PERF_EXPORT ComponentHealth TargetHealth(const std::vector<monitor::WatchStatus>& targets,
                                         const std::string& name);

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/monitor/alerts/delivery_plan.hpp"
#include "libperf/monitor/alerts/notifier.hpp"
#include "libperf/monitor/alerts/wall_time.hpp"

namespace perf::monitor::alerts {

/// The body for Alertmanager's v2 API. An alert that fires ends by itself after four `resend`; one
/// whose level has changed is ended under its former severity, for that label is part of its
/// identity there.
std::string AlertmanagerBody(const std::vector<Notice>& notices, const Receiver& receiver,
                             const std::string& generator_url, WallTime now);
/// JSON of schema perfkit.notification/1, for webhooks and commands.
std::string NotificationBody(const std::vector<Notice>& notices, const Receiver& receiver,
                             const std::string& generator_url, WallTime now);
/// A line for the log.
std::string LogLine(const Notice& notice);

}  // namespace perf::monitor::alerts

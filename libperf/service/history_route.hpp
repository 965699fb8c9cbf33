// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"
#include "libperf/monitor/history/query.hpp"
#include "libperf/monitor/history/reader.hpp"
#include "libperf/service/message.hpp"

namespace perf::service {

/// The question that a request's parameters ask: `metric` (required), `labels` ("pool=redis,…"),
/// `from` and `to` (seconds since 1970, RFC 3339 in UTC, or how long ago: "1h"; default an hour ago
/// and now), `step` ("1m"), `agg`, `max_points`, `merged`.
/// Throws: ConfigError that names the parameter.
PERF_EXPORT monitor::HistoryQuery HistoryQueryOf(const Request& request, monitor::WallTime now);

/// The answer to GET /performance/metrics/history: 422 for what cannot be asked so.
PERF_EXPORT Reply AnswerHistory(const Request& request, const monitor::HistoryReader& reader,
                                monitor::WallTime now);

}  // namespace perf::service

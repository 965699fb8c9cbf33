// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "libperf/backends/http.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/load/step.hpp"

namespace perf::load {

/// Whether a reply is what the step expects, and the values that it captures from it. Captures
/// that find nothing are failures: a later step would run on an empty value.
/// `values` are Scope::values. All: kNone, or what failed; pure functions of the reply.
/// Thread safety: pure. Requires: the reply's own failure is kNone.
PERF_EXPORT backends::Failure Inspect(const Step& step, const backends::HttpReply& reply,
                                      std::vector<Json>& values);
PERF_EXPORT backends::Failure Inspect(const Step& step, const backends::SqlReply& reply,
                                      std::vector<Json>& values);
PERF_EXPORT backends::Failure Inspect(const Step& step, const backends::RedisReply& reply,
                                      std::vector<Json>& values);

/// The rows as captures see them: {"rows": [{column: text or null}], "affected": n}.
PERF_EXPORT Json RowsAsJson(const backends::SqlReply& reply, std::size_t most_rows = 1000);

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libperf/backends/http.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/cache/answer.hpp"
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

/// Requires: the answer is kFound, kAbsent or kNegative.
PERF_EXPORT backends::Failure Inspect(const Step& step, const cache::Answer& answer,
                                      const backends::Timing& timing, std::vector<Json>& values);

/// What a cache keeps of its source's reply: the body; {"rows": …} as captures see them; the text
/// of a Redis reply, or its JSON. Nothing, "there is no such thing", for an accepted status of 404
/// or 410, a query without rows and a null.
PERF_EXPORT std::optional<std::string> SourceValue(const backends::HttpReply& reply);
PERF_EXPORT std::optional<std::string> SourceValue(const backends::SqlReply& reply);
PERF_EXPORT std::optional<std::string> SourceValue(const backends::RedisReply& reply);

/// The rows as captures see them: {"rows": [{column: text or null}], "affected": n}.
PERF_EXPORT Json RowsAsJson(const backends::SqlReply& reply, std::size_t most_rows = 1000);

}  // namespace perf::load

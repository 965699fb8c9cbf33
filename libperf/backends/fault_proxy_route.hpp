// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/backends/http.hpp"
#include "libperf/backends/stream_dial.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {

/// Where connections of a client really go, so that a fault proxy can stand before it; the clients
/// are then sent to the proxy by `via_port` of their configuration.
/// Thread safety: pure, but for the environment that libpq reads, too. All throw: ConfigError
/// where that is not one place.
PERF_EXPORT StreamAddress PostgresUpstream(const std::string& conninfo);
PERF_EXPORT StreamAddress RedisUpstream(const Url& url);
/// Also refuses a configuration with a proxy of its own.
PERF_EXPORT StreamAddress HttpUpstream(const HttpConfig& config);

}  // namespace perf::backends

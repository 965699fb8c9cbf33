// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "libperf/backends/http.hpp"

namespace perf::backends {

/// HTTP/1.1 and HTTP/2 with TLS and proxies by libcurl, one multi handle per connector. A
/// connection of this connector is a permit to run one transfer at a time; curl keeps the sockets.
/// Throws: ConfigError where this libcurl lacks what the configuration asks for.
std::unique_ptr<HttpConnector> MakeCurlConnector(EventLoop& loop, HttpConfig config);

}  // namespace perf::backends

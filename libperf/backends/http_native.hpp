// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "libperf/backends/http.hpp"

namespace perf::backends {

/// HTTP/1.1 over TCP or a unix socket, without TLS, proxies and HTTP/2: at most one system call to
/// send and one to receive a small request, beside its share of an epoll batch.
std::unique_ptr<HttpConnector> MakeNativeConnector(EventLoop& loop, HttpConfig config);

}  // namespace perf::backends

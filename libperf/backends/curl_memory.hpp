// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

namespace perf::backends {

/// curl_global_init, but curl's memory comes from perf::FrameCache: of the pieces that a request
/// needs it asks for half by calloc, which glibc serves from its slow path before 2.41.
/// Whoever has initialised libcurl before keeps its own memory. Thread safety: once, and before any
/// other thread can be inside of curl.
CURLcode InitCurl() noexcept;

}  // namespace perf::backends

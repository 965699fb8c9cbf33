// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::service {

/// `text` as a gzip file (RFC 1952) at the fastest level: a scrape is waited for.
/// Thread safety: a pure function; each thread keeps zlib's memory (256 KiB) for the next call.
/// Throws: Error when there is no memory.
PERF_EXPORT std::string Gzip(std::string_view text);

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::backends {

/// SHA-256 of `text` as 64 lower-case hexadecimal digits.
/// Thread safety: a pure function. Throws: Error where OpenSSL has none to offer.
PERF_EXPORT std::string Sha256Hex(std::string_view text);
/// SHA-1 as 40 of them: the name that Redis gives a script; good for nothing else any more.
std::string Sha1Hex(std::string_view text);

}  // namespace perf::backends

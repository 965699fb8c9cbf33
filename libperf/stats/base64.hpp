// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::stats {

/// RFC 4648 section 4, padded. Thread safety: pure functions.
PERF_EXPORT std::string EncodeBase64(std::string_view bytes);
/// Nothing for a character outside the alphabet or wrong padding.
PERF_EXPORT std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace perf::stats

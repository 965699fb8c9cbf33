// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/cache/cache_options.hpp"

namespace perf::cache {

/// `bytes` packed, or nothing when that does not pay: below the threshold, not compressible by at
/// least an eighth, or no codec wanted.
/// Thread safety: any thread (each keeps its own working memory).
PERF_EXPORT std::optional<std::string> Pack(std::string_view bytes,
                                            const CompressionOptions& options);

/// What was packed with `codec` into exactly `raw_length` bytes, or nothing. Never allocates more
/// than `raw_length`, which the caller has bounded; refuses lengths that the codec cannot reach
/// with so few bytes before it allocates.
/// Thread safety: any thread.
PERF_EXPORT std::optional<std::string> Unpack(Codec codec, std::string_view packed,
                                              std::size_t raw_length);

/// "none", "lz4" or "zstd", and back. CodecByName throws: ConfigError.
PERF_EXPORT std::string_view Name(Codec codec) noexcept;
PERF_EXPORT Codec CodecByName(std::string_view name);

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "libperf/base/json.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/bench/heard_stream.hpp"

namespace perf::bench {

/// More streams have no rows of their own.
inline constexpr std::size_t kMostRows = 1024;

/// The row of the one stream, or the total of all and then a row of each; what was not played or
/// cannot be known is null.
std::vector<Json> HeardRows(std::span<const HeardStream* const> streams);

/// Tells of payload types that could not be decoded.
void SayUndecodable(std::span<const HeardStream* const> streams, const Context& context);

}  // namespace perf::bench

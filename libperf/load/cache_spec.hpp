// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/cache/cache_options.hpp"

namespace perf::load {

/// Where a look-up was answered: the memory of this process, Redis, or the source itself.
enum class CacheTier : std::uint8_t { kL1, kL2, kSource };

/// One cache of a scenario, which all loops of a run share. A value.
struct CacheSpec {
  std::string name;
  cache::CacheOptions options;
  std::optional<std::size_t> redis;             // the target that is its second tier
  Duration timeout = std::chrono::seconds(10);  // of one step, its source included
};

}  // namespace perf::load

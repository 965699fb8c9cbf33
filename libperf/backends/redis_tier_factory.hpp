// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libperf/backends/redis_tier.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/second_tier.hpp"

namespace perf::backends {

/// For cache::CacheManager: the second tier of each cache by its name, in the Redis of `hub`, under
/// `options.prefix` followed by the name and ':'.
/// Thread safety: as of RedisTier's constructor. Lifetime: holds the hub.
PERF_EXPORT std::function<std::shared_ptr<cache::SecondTier>(const std::string& name)>
RedisTierFactory(std::shared_ptr<RedisTierHub> hub, RedisTierOptions options = {});

}  // namespace perf::backends

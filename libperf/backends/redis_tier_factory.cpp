// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_tier_factory.hpp"

#include <utility>

namespace perf::backends {

std::function<std::shared_ptr<cache::SecondTier>(const std::string& name)> RedisTierFactory(
    std::shared_ptr<RedisTierHub> hub, RedisTierOptions options) {
  return [hub = std::move(hub), options = std::move(options)](const std::string& name) {
    RedisTierOptions own = options;
    // A name has no colon: no cache's prefix is the beginning of another's.
    own.prefix += name + ":";
    return std::make_shared<RedisTier>(hub, std::move(own));
  };
}

}  // namespace perf::backends

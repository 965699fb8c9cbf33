// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

// Out of line, so that the table of virtual functions lives in one object.
Policy::~Policy() = default;

Slot Policy::Next() const noexcept { return kNoSlot; }
PolicyGroup::~PolicyGroup() = default;

}  // namespace perf::cache

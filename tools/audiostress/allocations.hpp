// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace perf::tool {

/// How many times this process asked malloc and its kin, and operator new, for memory; null in
/// builds whose sanitizer has them.
std::uint64_t (*CountedAllocations() noexcept)() noexcept;

}  // namespace perf::tool

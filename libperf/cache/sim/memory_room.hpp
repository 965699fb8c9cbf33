// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace perf::cache {

/// Bytes that may be taken: three quarters of what the machine, or this process's control group,
/// has available now; 0 where that cannot be known.
std::uint64_t MemoryRoom();
/// Throws: ConfigError where `needs` is more than the limit (0: MemoryRoom), with both figures.
void RequireMemory(const std::string& who, std::uint64_t needs, std::uint64_t limit);

}  // namespace perf::cache

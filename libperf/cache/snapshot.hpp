// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "libperf/cache/parts.hpp"

namespace perf::cache {

/// See Cache::SaveSnapshot.
std::size_t WriteSnapshot(const Parts& parts, const std::string& path);
/// See Cache::LoadSnapshot.
std::size_t ReadSnapshot(Parts& parts, const std::string& path);

}  // namespace perf::cache

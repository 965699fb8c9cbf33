// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

namespace perf::cache {

/// Calls work(0) … work(count - 1), divided among so many threads (0: one a processor), and returns
/// when all are done; rethrows what one of them threw.
void ForEachOf(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work);

}  // namespace perf::cache

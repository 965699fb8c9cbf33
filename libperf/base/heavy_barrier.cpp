// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/heavy_barrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace perf {

bool HeavyBarrier::Works() noexcept {
#ifdef __SANITIZE_THREAD__
  return false;  // it would report races that the barrier rules out
#else
  static const bool works =
      syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return works;
#endif
}

void HeavyBarrier::Pass() noexcept {
  syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

}  // namespace perf

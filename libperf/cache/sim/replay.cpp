// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/sim/replay.hpp"

#include <ctime>

#include "libperf/base/error.hpp"
#include "libperf/cache/policy/queue.hpp"
#include "libperf/cache/policy/sieve.hpp"

namespace perf::cache {

double ThreadCpuSeconds() noexcept {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Simulator::~Simulator() = default;

std::unique_ptr<Simulator> MakeSimulator(const SimCell& cell) {
  if (cell.size == 0) throw ConfigError("a cache of size 0 cannot be simulated");
  if (NeedsFuture(cell.policy)) {
    throw ConfigError(cell.policy + " needs the whole trace: it cannot be fed as requests come");
  }
  PolicyOptions options;
  (cell.bytes ? options.limits.weight : options.limits.entries) = cell.size;
  options.seed = cell.seed;
  // The cheapest ones by their own types: a virtual call would cost as much as their work.
  if (cell.policy == "lru") {
    return std::make_unique<Replay<Lru>>(cell, std::make_unique<Lru>(options.limits));
  }
  if (cell.policy == "fifo") {
    return std::make_unique<Replay<Fifo>>(cell, std::make_unique<Fifo>(options.limits));
  }
  if (cell.policy == "sieve") {
    return std::make_unique<Replay<Sieve>>(cell, std::make_unique<Sieve>(options.limits));
  }
  return std::make_unique<Replay<Policy>>(cell, MakePolicy(cell.policy, options));
}

}  // namespace perf::cache

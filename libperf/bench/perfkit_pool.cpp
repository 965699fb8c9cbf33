// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/perfkit_pool.hpp"

#include <memory>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/bench/stub_subjects.hpp"

namespace perf::bench {
namespace {

pool::BlockingPool::Options Settings(std::size_t size, pool::Fairness fairness) {
  pool::BlockingPool::Options settings;
  settings.name = "micro";
  settings.limits.min = settings.limits.max = settings.limits.max_dials = size;
  settings.limits.fairness = fairness;
  return settings;
}

}  // namespace

PerfkitPool::PerfkitPool(std::size_t size, pool::Fairness fairness)
    : fairness_(fairness), pool_(Settings(size, fairness), [](Deadline, std::string&) {
        return std::make_unique<StubConnection>();
      }) {
  if (!pool_.Prefill(Deadline::After(Clock::now(), std::chrono::seconds(10)))) {
    throw Error("the pool of stub connections could not be filled");
  }
}

std::uint64_t PerfkitPool::OvertakenMost() const {
  const pool::Statistics totals = pool_.Core().Totals();
  return fairness_ == pool::Fairness::kStrict ? totals.overtakes : totals.overtaken_most;
}

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/stub_subjects.hpp"

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/bench/baseline_fifo.hpp"
#include "libperf/bench/baseline_mutex.hpp"
#include "libperf/bench/perfkit_pool.hpp"

namespace perf::bench {

std::vector<std::unique_ptr<pool::Resource>> StubConnections(std::size_t count) {
  std::vector<std::unique_ptr<pool::Resource>> connections;
  for (std::size_t i = 0; i < count; ++i) connections.push_back(std::make_unique<StubConnection>());
  return connections;
}

std::unique_ptr<Subject> MakeStubSubject(const std::string& impl, std::size_t size) {
  if (impl == "bounded") {
    return std::make_unique<SubjectOf<PerfkitPool>>("perfkit", "bounded", size,
                                                    pool::Fairness::kBounded);
  }
  if (impl == "strict") {
    return std::make_unique<SubjectOf<PerfkitPool>>("perfkit", "strict", size,
                                                    pool::Fairness::kStrict);
  }
  if (impl == "mutex") {
    return std::make_unique<SubjectOf<BaselineMutex>>("mutex", "none", StubConnections(size));
  }
  if (impl == "fifo") {
    return std::make_unique<SubjectOf<BaselineFifo>>("fifo", "strict", StubConnections(size));
  }
  throw UsageError(
      fmt::format("no implementation '{}': there are bounded, strict, mutex and fifo", impl));
}

}  // namespace perf::bench

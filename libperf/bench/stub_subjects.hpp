// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "libperf/bench/subject.hpp"
#include "libperf/pool/resource.hpp"

namespace perf::bench {

/// A connection that costs nothing: what is measured is the pool.
class StubConnection final : public pool::Resource {
 public:
  bool Reusable() const noexcept override { return true; }
  bool Alive() noexcept override { return true; }
};

std::vector<std::unique_ptr<pool::Resource>> StubConnections(std::size_t count);

/// `impl`: bounded and strict are perfkit's own pool, mutex and fifo the baselines.
/// Throws: UsageError for another name.
std::unique_ptr<Subject> MakeStubSubject(const std::string& impl, std::size_t size);

}  // namespace perf::bench

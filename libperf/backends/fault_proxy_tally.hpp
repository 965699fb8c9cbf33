// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/backends/fault_proxy.hpp"
#include "libperf/base/guarded.hpp"

namespace perf::backends {

/// Counts for one proxy. Thread safety: all methods.
class FaultTally {
 public:
  FaultTally(TimePoint now, Duration bucket);
  void Accepted(TimePoint now);
  /// The first byte of the server has come, or the connection is gone without one.
  void Dialled();
  void Left(bool by_fault);
  void DialFailed(const std::string& text);
  void Carried(std::uint64_t up, std::uint64_t down);
  FaultCounters Snapshot() const;

 private:
  mutable Guarded<FaultCounters> counters_;
};

}  // namespace perf::backends

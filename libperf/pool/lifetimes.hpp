// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::pool {

/// Gives each new resource its lifetime: any run of consecutive ones is spread evenly over the
/// jitter's window (the golden ratio's Kronecker sequence: three gap lengths at most), plus a
/// little noise so that pools of one program differ.
/// Thread safety: none.
class PERF_EXPORT Lifetimes {
 public:
  explicit Lifetimes(std::uint64_t seed) noexcept : random_(seed), position_(random_.Unit()) {}
  /// In [most * (1 - jitter), most]. Requires: 0 <= jitter <= 1.
  Duration Next(Duration most, double jitter) noexcept;

 private:
  Random random_;
  double position_;
};

}  // namespace perf::pool
